#!/usr/bin/env bash
# deb.sh BINARY OUT: builds OUT/belvedere_VERSION_ARCH.deb and checks it and its desktop files.
set -euo pipefail
binary=$(realpath "$1") out=$2 id=dev.belvedere.Belvedere
mkdir -p "$out"
out=$(realpath "$out")
cd "$(dirname "${BASH_SOURCE[0]}")"
version=$(sed -n 's/^version = "\(.*\)"/\1/p;/^version/q' ../Cargo.toml)
arch=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"

./install.sh "$binary" "$stage/usr"
strip --strip-unneeded "$stage/usr/bin/belvedere" 2>/dev/null || true
gzip -9n "$stage/usr/share/man/man1/belvedere.1"
install -Dm644 /dev/stdin "$stage/usr/share/doc/belvedere/copyright" <<COPYRIGHT
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Belvedere

Files: *
Copyright: The Belvedere developers
License: MIT OR Apache-2.0
 The texts are in LICENSE-MIT beside this file and in /usr/share/common-licenses/Apache-2.0.
COPYRIGHT
install -Dm644 ../LICENSE-MIT "$stage/usr/share/doc/belvedere/LICENSE-MIT"
mkdir "$stage/DEBIAN"
# libc is linked; what the window opens while it runs is only recommended, so that a server takes `serve` alone.
cat > "$stage/DEBIAN/control" <<CONTROL
Package: belvedere
Version: $version
Section: devel
Priority: optional
Architecture: $arch
Maintainer: The Belvedere developers <belvedere@localhost>
Installed-Size: $(du -sk "$stage/usr" | cut -f1)
Depends: libc6 (>= 2.36)
Recommends: libgl1, libegl1, libx11-6, libxcursor1, libxi6, libxkbcommon-x11-0, libwayland-client0, libdbus-1-3, libfontconfig1
Description: collect, keep and see traces on this machine
 Receives OpenTelemetry traces on localhost, keeps them in one folder and shows
 them as flame graphs in a native window. Opens OTLP, Jaeger, Zipkin, Tempo,
 Chrome trace, X-Ray and Datadog files.
CONTROL
package=$out/belvedere_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$stage" "$package" >/dev/null

# Checks, as far as their tools are there.
check() { if command -v "$1" >/dev/null; then "$@"; else echo "skipped: $1 is not installed" >&2; fi; }
check desktop-file-validate linux/$id.desktop
check appstreamcli validate --no-net linux/$id.metainfo.xml
check xmllint --noout linux/$id-mime.xml
contents=$(dpkg-deb --contents "$package")
for file in usr/bin/belvedere usr/share/applications/$id.desktop usr/share/icons/hicolor/256x256/apps/$id.png; do
  grep -q " ./$file$" <<<"$contents" || { echo "$file is missing in $package" >&2; exit 1; }
done
[ "$(dpkg-deb --fsys-tarfile "$package" | tar -xO ./usr/bin/belvedere | wc -c)" -gt 1000000 ] || { echo "the program in $package is too small" >&2; exit 1; }
ls -l "$package"
