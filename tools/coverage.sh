#!/usr/bin/env bash
# Which lines of include/ and src/ the tests of the library run; fails below 90%. The command's tests are left out: what they run as well should not count. Kernels that this CPU has no
# instructions for cannot run and are left out by name.
# Usage: tools/coverage.sh     a table by file is in build/coverage/lines.txt
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "error: gcovr is missing: tools/deps.sh developer installs it" >&2; exit 1; }
cmake --preset coverage >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
# Without the larger of the published networks: they run the same lines as the others, for minutes.
ctest --test-dir build/coverage -j "$(nproc)" -L 'unit|golden' -E '_(3_2|4_0|6_4|8_0|8|12|16|32)gf' --output-on-failure
excluded=()
leave_out() {  # leave_out FLAG FILE...: unless the CPU has the flag
  grep -qw "$1" /proc/cpuinfo && return
  for file in "${@:2}"; do
    echo "left out, since this CPU has no $1: $file"
    excluded+=(--exclude "$file")
  done
}
leave_out amx_int8 src/plan/kernels/amx.cpp
leave_out avx512_bf16 src/plan/kernels/avx512_narrow.cpp src/plan/kernels/words_avx512.inl
leave_out avx512_vnni src/plan/kernels/avx512_vnni_f32.cpp src/plan/kernels/vnni_avx512.inl
leave_out avx512f src/plan/kernels/avx512.cpp
gcovr --root . --filter include/ --filter src/ ${excluded[@]+"${excluded[@]}"} --txt build/coverage/lines.txt --print-summary --fail-under-line 90 -j "$(nproc)" build/coverage
