#!/usr/bin/env bash
# The way of someone who is new, in a bare Debian 12: the commands and programs of README.md, docs/link.md and docs/python.md, taken from these pages and run as they stand there. It
# takes half an hour and is no part of the continuous integration, whose steps cover the same pieces one by one.
# Usage: tests/package/new_user.sh     as root; what is committed is used
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
cd "$source"
say() { printf '== %s s: %s\n' "$SECONDS" "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || die "only root can make a Debian root"

# block FILE LANGUAGE WORDS: the fenced block of that language that holds the words.
block() {
  local text
  text=$(awk -v language="$2" -v words="$3" '
    !inside && $0 == "```" language { inside = 1; text = ""; next }
    inside && $0 == "```" { inside = 0; if (index(text, words)) { printf "%s", text; exit } next }
    inside { text = text $0 "\n" }' "$1")
  [ -n "$text" ] || die "$1: expected a block of $2 with '$3'"
  printf '%s\n' "$text"
}

tests/package/debian_root.sh build/new_user
root=build/new_user
git clone -q . "$root/root/regnet"
mkdir -p "$root/root/application"
{
  printf 'cmake_minimum_required(VERSION 3.25)\nproject(application LANGUAGES CXX)\nadd_executable(application application.cpp)\n'
  block docs/link.md cmake 'find_package(regnet'
} >"$root/root/application/CMakeLists.txt"
block README.md cpp 'load_model' >"$root/root/application/application.cpp"
block docs/python.md pycon 'import regnet' | sed -n 's/^>>> //p; s/^\.\.\. //p' | sed 's/^model$/print(model)/' >"$root/root/first.py"

mount -t proc proc "$root/proc"
mount -t devpts devpts "$root/dev/pts"
trap 'umount "$source/$root/proc" "$source/$root/dev/pts"' EXIT
inside() {
  printf '%s\n' "$2" | sed 's/^/    /'
  chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive bash -euc "cd $1
$2"
}

say "what a Debian system has that this bare one lacks: sudo"
inside / 'apt-get update -qq && apt-get install -y -qq --no-install-recommends sudo >/dev/null'
say "README.md: quickstart and tests"
commands=$(block README.md sh tools/quickstart.sh)
inside /root/regnet "$commands" | tee build/new_user.log
grep -q 'top-1  94.70%' build/new_user.log && grep -q '100% tests passed' build/new_user.log || die "the quickstart or the tests end otherwise than they should"
say "docs/link.md: an installed library"
commands=$(block docs/link.md sh '--prefix /opt/regnet')
inside /root/regnet "$commands"
say "docs/link.md and README.md: a project that links it"
commands=$(block docs/link.md sh 'CMAKE_PREFIX_PATH=/opt/regnet')
inside /root/application "$commands
build/application /root/regnet/demo/regnetx_fashion.safetensors /root/regnet/demo/images/9/00000.png" | tee build/new_user.log
grep -q '^0.92.* Ankle boot' build/new_user.log || die "the application gives another answer"
commands=$(block docs/link.md sh 'export PKG_CONFIG_PATH' | grep -v static)
inside /root/application "$commands
./a.out /root/regnet/demo/regnetx_fashion.safetensors /root/regnet/demo/images/9/00000.png" | grep -q '^0.92.* Ankle boot' || die "the application by pkg-config gives another answer"
say "docs/python.md"
commands=$(block docs/python.md sh 'pip install .')
inside /root/regnet "$commands
python /root/first.py" | tee build/new_user.log
grep -q '^0.9214 Ankle boot' build/new_user.log || die "Python gives another answer"
say "the way of a new user is passable"
