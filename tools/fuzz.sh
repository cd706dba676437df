#!/usr/bin/env bash
# Runs the fuzz targets, each for a time, and prints a line for each: executions, coverage, findings. Usage: tools/fuzz.sh SECONDS [TARGET...]
# Working corpora grow in build/fuzz/corpus and findings stay in build/fuzz/findings; tools/fuzz.sh --merge picks the small inputs that together reach all
# that was reached and packs them into tests/fuzz/found.tar.xz, for the tests to replay. Needs clang and libclang-rt-14-dev.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(zip pickle legacy torch_zip safetensors png jpeg labels yaml plan)
largest=4096  # bytes of an input: what the readers do with more is more of the same

merge=no
if [ "${1:-}" = --merge ]; then merge=yes; else seconds=${1:?"usage: tools/fuzz.sh SECONDS [TARGET...]"}; fi
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}" >/dev/null
found=build/fuzz/found
export UBSAN_OPTIONS=print_stacktrace=1
for target in "${targets[@]}"; do
  program=build/fuzz/tests/fuzz/fuzz_$target seeds=tests/fuzz/corpus/$target corpus=build/fuzz/corpus/$target findings=build/fuzz/findings/$target
  mkdir -p "$corpus" "$findings"
  if [ $merge = yes ]; then
    rm -rf "$found/$target"
    mkdir -p "$found/$target"
    "$program" -merge=1 -max_len=700 "$found/$target" "$seeds" "$corpus" >/dev/null 2>&1
    echo "$target: $(find "$found/$target" -type f | wc -l) files, $(du -sb "$found/$target" | cut -f1) bytes"
    continue
  fi
  log=build/fuzz/$target.log
  # A single input must not take long or much memory, whatever it claims.
  "$program" -max_total_time="$seconds" -max_len=$largest -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 -dict=tests/fuzz/dictionaries/"$target".dict \
    -artifact_prefix="$findings/" -print_final_stats=1 "$corpus" "$seeds" >"$log" 2>&1 || echo "$target: FINDING, see $log" >&2
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)
  echo "$target: $executions executions in $seconds s, ${coverage:-no coverage}, $(find "$corpus" -type f | wc -l) inputs kept, $(find "$findings" -type f | wc -l) findings"
done
if [ $merge = yes ]; then
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -C "$found" -cf - $(cd "$found" && find . -type f | sort) | xz -9e >tests/fuzz/found.tar.xz
  ls -l tests/fuzz/found.tar.xz
fi
