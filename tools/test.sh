#!/usr/bin/env bash
# Installs what is missing, builds the dev preset and runs the whole test suite. Arguments go to ctest.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/deps.sh developer
. tools/ccache.sh
echo "== configuring and building the dev preset in build/dev"
cmake --preset dev
cmake --build --preset dev
echo "== running the tests"
ctest --preset dev -j "$(nproc)" "$@"
