#!/usr/bin/env bash
# Builds and runs applications that link regnet in every way there is: {static, shared} x {find_package of an install tree that was moved and of a build tree,
# pkg-config, add_subdirectory, FetchContent} x compilers, the headers alone, and one with -fopenmp under clang, whose OpenMP runtime is another than oneDNN's.
# Usage: tests/package/consumers.sh [COMPILER...]     default: g++ clang++. Compiled objects are shared by ccache where it is installed.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
cd "$source"
weights=$source/demo/regnetx_fashion.safetensors picture=$source/demo/images/9/00000.png
[ $# -gt 0 ] || set -- g++ clang++

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
quietly() { "$@" >build/consumers.log 2>&1 || { cat build/consumers.log >&2; die "failed: $*"; }; }

mkdir -p build
. tools/ccache.sh

# expect FOLDER: what was built there runs, and says what it should.
expect() {
  [ "$("$1/design")" = 397678568 ] || die "$1/design: expected 397678568, found $("$1/design")"
  [ -e "$1/consumer" ] || return 0
  local line found
  found=$("$1/consumer" "$weights" "$picture")
  [ "$(grep -c '^Ankle boot$' <<<"$found")" = 9 ] && [ "$(wc -l <<<"$found")" = 9 ] || die "$1/consumer: expected 9 lines 'Ankle boot', found $found"
  line=$("$1/consumer_c" "$weights" "$picture" | head -1)
  [[ $line =~ ^0\.92[0-9]*\ Ankle\ boot$ ]] || die "$1/consumer_c: expected 0.92.. Ankle boot, found $line"
}

# with_cmake NAME FROM OPTION...: an application in build/consumer-NAME
with_cmake() {
  local folder=build/consumer-$1 from=$2
  shift 2
  rm -rf "$folder"
  quietly cmake -S tests/package/consumer -B "$folder" -G Ninja -DREGNET_FROM="$from" -DREGNET_SOURCE="$source" "${common[@]}" "$@"
  quietly cmake --build "$folder"
  expect "$folder"
  say "$folder: right"
}

# with_pkg_config NAME PREFIX [--static]
with_pkg_config() {
  local folder=build/consumer-$1 prefix=$2 static=${3:-} flags libraries
  rm -rf "$folder" && mkdir -p "$folder"
  local pc
  pc=$(dirname "$(find "$prefix" -name regnet.pc)")
  flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags regnet)
  libraries=$(PKG_CONFIG_PATH=$pc pkg-config $static --libs regnet)
  [ -n "$static" ] || libraries+=" '-Wl,-rpath,${pc%/pkgconfig}'"
  eval "$cxx -std=c++20 tests/package/consumer/main.cpp -o $folder/consumer $flags $libraries"
  eval "$cxx -std=c++20 tests/package/consumer/design.cpp -o $folder/design $flags"
  eval "$cc -std=c11 -c examples/classify.c -o $folder/classify.o $flags"
  eval "$cxx $folder/classify.o -o $folder/consumer_c $libraries"
  expect "$folder"
  say "$folder: right"
}

# A shared library shows regnet's own symbols to the linker, all of them functions and types that a public header declares.
check_symbols() {
  local symbols foreign
  symbols=$(nm -D --defined-only "$1" | awk '{print $NF}')
  grep -q '^_ZN6regnet7compileE' <<<"$symbols" && grep -q '^regnet_open$' <<<"$symbols" || die "$1 does not show regnet::compile and regnet_open"
  foreign=$(grep -vE '^(regnet_|_Z(NK?|T[ISV]N)6regnet)' <<<"$symbols" || true)
  [ -z "$foreign" ] || die "$1 shows symbols that are not regnet's:
$foreign"
}

# Inline functions of other libraries in a static one would be merged with the application's, though it may use another version or other flags.
check_no_foreign() {
  local foreign
  foreign=$(nm -C --defined-only "$1" | grep -E '[ <(](dnnl|Eigen|nlohmann)::' | head -5 || true)
  [ -z "$foreign" ] || die "$1 defines functions of other libraries:
$foreign"
}

for cxx in "$@"; do
  case $cxx in
    clang++*) cc=${cxx/clang++/clang} ;;
    *) cc=${cxx/g++/gcc} ;;
  esac
  for kind in static shared; do
    name=$cxx-$kind
    common=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_COMPILER="$cc" -DBUILD_SHARED_LIBS="$([ $kind = shared ] && echo ON || echo OFF)")
    say "building regnet as a $kind library with $cxx"
    quietly cmake -S . -B "build/lib-$name" -G Ninja "${common[@]}" -DREGNET_BUILD_TOOLS=OFF -DREGNET_BUILD_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=/nowhere
    quietly cmake --build "build/lib-$name"
    rm -rf "build/installed-$name" "build/moved to $name"
    quietly cmake --install "build/lib-$name" --prefix "build/installed-$name"
    mv "build/installed-$name" "build/moved to $name"
    case $kind in
      static) check_no_foreign "build/lib-$name/libregnet.a" ;;
      shared) check_symbols "build/lib-$name/libregnet.so" ;;
    esac
    with_cmake "$name-installed" find_package -DCMAKE_PREFIX_PATH="$source/build/moved to $name"
    with_cmake "$name-headers" headers -DCMAKE_PREFIX_PATH="$source/build/moved to $name"
    with_cmake "$name-tree" find_package -Dregnet_DIR="$source/build/lib-$name"
    with_pkg_config "$name-pkgconfig" "build/moved to $name" "$([ $kind = static ] && echo --static)"
    with_cmake "$name-subdirectory" add_subdirectory
    with_cmake "$name-fetched" FetchContent
    if [ "$cxx" = clang++ ]; then
      with_cmake "$name-openmp" find_package -DCMAKE_PREFIX_PATH="$source/build/moved to $name" -DCMAKE_CXX_FLAGS=-fopenmp
      "build/consumer-$name-openmp/consumer" "$weights" "$picture" 2>&1 >/dev/null | grep -E 'several OpenMP runtimes are loaded, .*(libomp.*libgomp|libgomp.*libomp)' ||
        die "build/consumer-$name-openmp/consumer: expected a warning of LLVM's OpenMP runtime beside GNU's"
    fi
  done
done
