#!/usr/bin/env bash
# Installs what is missing, builds the release preset, measures the accuracy of the built-in demo network and classifies one picture.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/deps.sh
echo "== configuring and building the release preset in build/release"
cmake --preset release
cmake --build --preset release
echo "== accuracy of the demo network on its 1,000 test images: build/release/regnet eval"
build/release/regnet eval
picture=demo/images/9/00000.png
echo "== one picture: build/release/regnet predict $picture"
build/release/regnet predict --top 3 "$picture"
