#!/usr/bin/env bash
# Renders the icon's PNG sizes from its SVG; needs rsvg-convert (Debian: librsvg2-bin). Run it after changing the SVG.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/linux/icons"
id=dev.belvedere.Belvedere
for size in 16 24 32 48 64 128 256 512; do
  mkdir -p "${size}x$size/apps"
  rsvg-convert --width "$size" --height "$size" "scalable/apps/$id.svg" --output "${size}x$size/apps/$id.png"
done
