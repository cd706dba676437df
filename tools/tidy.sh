#!/usr/bin/env bash
# clang-format and clang-tidy over the library, the command and the examples. Usage: tools/tidy.sh [FILE...]     default: every file
set -euo pipefail
cd "$(dirname "$0")/.."
git ls-files '*.hpp' '*.cpp' '*.h' '*.c' '*.inl' | xargs clang-format --dry-run --Werror
cmake --preset tidy >/dev/null
cmake --build build/tidy --target regnet_commit >/dev/null
if [ $# -eq 0 ]; then
  # The command's sources stand together in a few, which are read in half the time; findings name the file that they are in.
  mapfile -t files < <(ls build/tidy/tools/regnet/CMakeFiles/regnet-cli.dir/Unity/*.cxx && git ls-files 'src/*.cpp' 'examples/*.cpp')
  set -- "${files[@]}"
fi
printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p build/tidy
