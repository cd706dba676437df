#!/usr/bin/env bash
# A bare Debian 12 made by debootstrap in FOLDER, fresh on each call; what debootstrap made is kept in build/debian.tar.
# Usage: tests/package/debian_root.sh FOLDER     as root
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$1
[ -e build/debian.tar ] || {
  mkdir -p build
  rm -rf build/debian.part
  debootstrap --variant=minbase bookworm build/debian.part http://deb.debian.org/debian >build/debootstrap.log || { tail -20 build/debootstrap.log >&2; exit 1; }
  tar -cf build/debian.tar.part -C build/debian.part . && mv build/debian.tar.part build/debian.tar
  rm -rf build/debian.part
}
for folder in proc dev/pts; do
  ! mountpoint -q "$root/$folder" || umount "$root/$folder"  # of a run that was ended
done
rm -rf --one-file-system "$root" && mkdir -p "$root" && tar -xf build/debian.tar -C "$root"
cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
# Networks that look into connections have certificates of their own.
[ -z "${PIP_CERT:-}" ] || { cp "$PIP_CERT" "$root/etc/pip.pem" && printf '[global]\ncert = /etc/pip.pem\n' >"$root/etc/pip.conf"; }
