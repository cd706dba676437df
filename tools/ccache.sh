# To be sourced, in the source tree: where ccache is installed, builds in folders of the same depth share their objects, for the same source compiled with the same flags is the same object.
if command -v ccache >/dev/null; then
  export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
  export CCACHE_DIR=${CCACHE_DIR:-$PWD/build/ccache} CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  # An object that was made under this flag is as good without; the build that has it is the first.
  export CCACHE_IGNOREOPTIONS=-Werror
  # By one name, since what another has compiled is not shared.
  export CC=${CC:-gcc} CXX=${CXX:-g++}
fi
