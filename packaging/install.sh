#!/usr/bin/env bash
# install.sh BINARY PREFIX: lays the program and its desktop files out under PREFIX, /usr or /app or a staging folder's.
set -euo pipefail
binary=$(realpath "$1") prefix=$2 id=dev.belvedere.Belvedere
mkdir -p "$prefix"
prefix=$(realpath "$prefix")
cd "$(dirname "${BASH_SOURCE[0]}")"
install -Dm755 "$binary" "$prefix/bin/belvedere"
install -Dm644 linux/$id.desktop "$prefix/share/applications/$id.desktop"
install -Dm644 linux/$id.metainfo.xml "$prefix/share/metainfo/$id.metainfo.xml"
install -Dm644 linux/$id-mime.xml "$prefix/share/mime/packages/$id.xml"
install -Dm644 linux/belvedere.1 "$prefix/share/man/man1/belvedere.1"
for icon in linux/icons/*/apps/*; do
  install -Dm644 "$icon" "$prefix/share/icons/hicolor/${icon#linux/icons/}"
done
