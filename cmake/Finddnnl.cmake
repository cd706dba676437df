# Finds oneDNN 3.x and repairs what its packages leave out.
#
# Looks for the package's own configuration, first in .deps/onednn (where tools/deps.sh puts the PyPI wheels), then wherever
# CMAKE_PREFIX_PATH and dnnl_DIR point. Defines DNNL::dnnl, and regnet::onednn, which is it with its OpenMP runtime.
#
# - Refuses 2.x (another API) and builds for a SYCL runtime (no plain CPU engine) with a hint.
# - An OpenMP build needs its OpenMP runtime at link time, because regnet sets the number of threads of exactly that
#   runtime; the wheels do not name it. Linking "-fopenmp" instead would bring a second runtime under clang.

find_package(dnnl 3 CONFIG QUIET HINTS "${CMAKE_CURRENT_LIST_DIR}/../.deps/onednn")

set(dnnl_hint "Run tools/deps.sh, which installs oneDNN 3.2 into .deps/onednn, or point CMAKE_PREFIX_PATH at any oneDNN 3.x")
if(NOT dnnl_FOUND)
  set(dnnl_reason "")
  if(dnnl_CONSIDERED_CONFIGS)
    set(dnnl_reason "found ${dnnl_CONSIDERED_CONFIGS} of version ${dnnl_CONSIDERED_VERSIONS}, expected 3.x. ")
  endif()
  if(dnnl_FIND_REQUIRED)
    message(FATAL_ERROR "oneDNN: ${dnnl_reason}${dnnl_hint}")
  endif()
  return()
endif()
if(DNNL_CPU_RUNTIME MATCHES "SYCL|DPCPP")
  message(FATAL_ERROR "oneDNN in ${dnnl_DIR} is built for ${DNNL_CPU_RUNTIME}, expected OMP, TBB or SEQ. ${dnnl_hint}")
endif()

set(REGNET_OPENMP_LIBRARY "-l:libgomp.so.1" CACHE STRING "The OpenMP runtime that oneDNN is linked with")
if(NOT TARGET regnet::onednn)
  add_library(regnet::onednn INTERFACE IMPORTED)
  set_property(TARGET regnet::onednn PROPERTY INTERFACE_LINK_LIBRARIES DNNL::dnnl)
  if(DNNL_CPU_THREADING_RUNTIME STREQUAL "OMP")
    set_property(TARGET regnet::onednn APPEND PROPERTY INTERFACE_LINK_LIBRARIES "${REGNET_OPENMP_LIBRARY}")
  endif()
  if(NOT dnnl_FIND_QUIETLY)
    message(STATUS "oneDNN ${dnnl_VERSION} (${DNNL_CPU_THREADING_RUNTIME}) in ${dnnl_DIR}")
  endif()
endif()
