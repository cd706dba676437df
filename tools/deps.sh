#!/usr/bin/env bash
# Installs what building regnet needs: Debian packages by apt, oneDNN 3.2 from PyPI into .deps/onednn. Does nothing that is done already.
# Usage: tools/deps.sh [developer]     "developer" adds what tests and benchmarks need.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Debian's libdnnl is 2.6 and has another API; these wheels are Intel's own builds of oneDNN 3.2 for GNU OpenMP.
onednn_version=2023.2.0
onednn_hashes=(
  "onednn-cpu-gomp==$onednn_version --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb"
  "onednn-devel-cpu-gomp==$onednn_version --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284"
)

packages=(g++ cmake ninja-build git ca-certificates libeigen3-dev nlohmann-json3-dev libcli11-dev libyaml-cpp-dev libjpeg62-turbo-dev libpng-dev libdeflate-dev libarchive-dev)
if [ "${1:-}" = developer ]; then
  packages+=(libgtest-dev libbenchmark-dev python3 python3-dev python3-venv libcpp-httplib-dev libopencv-imgcodecs-dev wrk clang libomp-dev ccache pkg-config dpkg-dev file debootstrap doxygen gcovr clang-tidy clang-format mandoc groff-base bash-completion)
fi
if [ ! -e .deps/onednn/lib/libdnnl.so.3 ]; then packages+=(python3-pip); fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || die "missing: ${missing[*]}; this script installs them with apt-get, which is not here"
  root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "missing: ${missing[*]}; run as root, or install sudo"
    root=(sudo)
  fi
  say "installing ${missing[*]}"
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
else
  say "Debian packages: all there"
fi

if [ ! -e .deps/onednn/lib/libdnnl.so.3 ]; then
  say "downloading oneDNN 3.2 (wheels onednn-cpu-gomp and onednn-devel-cpu-gomp $onednn_version)"
  rm -rf .deps/wheels .deps/onednn.part
  mkdir -p .deps/wheels .deps/onednn.part
  printf '%s\n' "${onednn_hashes[@]}" >.deps/wheels/requirements.txt
  /usr/bin/python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest .deps/wheels -r .deps/wheels/requirements.txt ||
    die "pip could not download onednn-cpu-gomp and onednn-devel-cpu-gomp $onednn_version"
  for wheel in .deps/wheels/*.whl; do /usr/bin/python3 -m zipfile -e "$wheel" .deps/wheels/unpacked; done
  cp -r .deps/wheels/unpacked/*.data/data/. .deps/onednn.part/
  # A wheel has no symbolic links and holds the library three times.
  ln -sf libdnnl.so.3.2 .deps/onednn.part/lib/libdnnl.so.3
  ln -sf libdnnl.so.3 .deps/onednn.part/lib/libdnnl.so
  rm -rf .deps/wheels .deps/onednn
  mv .deps/onednn.part .deps/onednn
else
  say "oneDNN: .deps/onednn is there"
fi
