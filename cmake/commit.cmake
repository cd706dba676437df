# Writes HEADER with the commit of the source folder SOURCE, "-dirty" when it has changes, "unknown" when SOURCE is not the top of a git work tree
# (an archive, or a copy inside another project's repository, whose commit says nothing about regnet).
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND git rev-parse --show-toplevel WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(commit unknown)
file(REAL_PATH "${SOURCE}" source)
if(top AND top STREQUAL source)
  execute_process(COMMAND git describe --always --dirty --abbrev=12 WORKING_DIRECTORY "${SOURCE}" OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
file(CONFIGURE OUTPUT "${HEADER}" CONTENT "#pragma once\n#define REGNET_COMMIT \"@commit@\"\n" @ONLY)
