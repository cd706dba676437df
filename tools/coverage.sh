#!/usr/bin/env bash
# Which lines of include/ and src/ the tests run: builds the coverage preset, runs the tests, prints a table and fails below 90%.
# Needs gcovr (Debian's package). Kernels that this CPU cannot run count as not run.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v gcovr >/dev/null || { echo "error: gcovr is not installed" >&2; exit 1; }
cmake --preset coverage >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
ctest --test-dir build/coverage -j "$(nproc)" --output-on-failure -E '^(layout|docs|package)\.'
gcovr --root . --object-directory build/coverage --filter include/ --filter src/ --exclude-throw-branches --print-summary --fail-under-line 90 --sort-uncovered -o build/coverage/table.txt -j "$(nproc)"
