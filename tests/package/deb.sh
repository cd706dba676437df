#!/usr/bin/env bash
# Installs the package preset in a folder, from where the command must run after it was moved; packs a .deb, installs it in a bare Debian 12 made by debootstrap, and there
# runs the command and builds an application against the package.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
cd "$source"
say() { printf '== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

. tools/ccache.sh

say "packing"
cmake --preset package >/dev/null
cmake --build --preset package
rm -rf build/package/*.deb build/installed "build/moved command"
cmake --install build/package --prefix build/installed >/dev/null
mv build/installed "build/moved command"
"build/moved command/bin/regnet" predict demo/images/9/00000.png | grep -q 'Ankle boot' || die "the command does not run where it was moved to"
(cd build/package && cpack -G DEB >/dev/null)
package=$(echo build/package/*.deb)
[ -e "$package" ] || die "cpack made no package"
dpkg-deb --field "$package" Package Version Depends Installed-Size

[ "$(id -u)" -eq 0 ] || { say "skipped: only root can make a Debian root"; exit 0; }
command -v debootstrap >/dev/null || { say "skipped: debootstrap is not installed"; exit 0; }
say "a bare Debian 12"
root=build/debian
tests/package/debian_root.sh "$root"
cp "$package" "$root/root/regnet.deb"
cp -r tests/package/consumer "$root/root/"
mkdir -p "$root/root/source/examples" && cp examples/classify.c "$root/root/source/examples/"
mount -t proc proc "$root/proc"
trap 'umount "$source/$root/proc"' EXIT
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive bash -euc "$1"; }

say "installing and running"
inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /root/regnet.deb >/dev/null'
inside 'cd / && regnet --version && regnet predict --top 1 /usr/share/regnet/demo/images/9/00000.png && regnet eval' | tee build/deb.log
grep -q 'Ankle boot' build/deb.log && grep -q 'top-1  94.70%' build/deb.log || die "the installed command gives other answers"

say "building an application against it"
inside 'apt-get install -y -qq --no-install-recommends g++ cmake make pkg-config >/dev/null
  cmake -S /root/consumer -B /root/build -DREGNET_FROM=find_package -DREGNET_SOURCE=/root/source >/dev/null && cmake --build /root/build >/dev/null
  gcc /root/source/examples/classify.c -o /root/classify $(pkg-config --cflags --libs regnet)'
cp demo/regnetx_fashion.safetensors "$root/root/weights.safetensors"
inside 'cd /root && build/consumer weights.safetensors /usr/share/regnet/demo/images/9/00000.png && ./classify weights.safetensors /usr/share/regnet/demo/images/9/00000.png' | tee build/deb.log
[ "$(grep -c 'Ankle boot' build/deb.log)" = 10 ] || die "an application that links the package gives other answers"
say "the package is right"
