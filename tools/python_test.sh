#!/usr/bin/env bash
# Installs the Python package with pip as a user does, in an environment of its own, and runs its tests, the example and the type checker from another folder.
# Usage: tools/python_test.sh     PYTHON=python3.12 chooses the interpreter; its answers are compared with those of a command that was built before, if there is one.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
cd "$source"
say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

. tools/ccache.sh

say "installing with pip in build/python-venv"
venv=$source/build/python-venv
rm -rf "$venv"
"${PYTHON:-/usr/bin/python3}" -m venv "$venv"
# What was installed is looked at, not the source tree.
export PYTHONNOUSERSITE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH
"$venv/bin/pip" install --quiet . -r tests/python/requirements.txt

say "what the package shows and needs"
module=$(echo "$venv"/lib/python*/site-packages/regnet/_core.*.so)
[ "$(nm -D --defined-only "$module" | awk '{print $NF}')" = PyInit__core ] || die "$module shows more than PyInit__core"
if [ -e .deps/onednn ]; then
  readelf -d "$module" | grep -q 'R.*PATH.*\[$ORIGIN/onednn\]' || die "$module: expected to find oneDNN by \$ORIGIN/onednn alone"
fi

for built in build/dev build/release build/package; do
  [ -x "$built/regnet" ] && export REGNET_COMMAND=$source/$built/regnet && break
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
say "tests"
"$venv/bin/python" -m unittest discover -s "$source/tests/python" -p '*_test.py'
say "the example"
"$venv/bin/python" "$source/examples/python/classify.py" "$source/demo/regnetx_fashion.safetensors" "$source/demo/images/9/00000.png" | tee classified
grep -q '92.14%     9  Ankle boot' classified || die "examples/python/classify.py: expected 92.14% Ankle boot first"
say "types"
"$venv/bin/mypy" --strict --cache-dir "$folder" "$source/examples/python/classify.py"
"$venv/bin/mypy" --strict --cache-dir "$folder" --package regnet
say "the Python package is right"
