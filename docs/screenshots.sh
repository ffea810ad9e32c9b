#!/usr/bin/env bash
# screenshots.sh OUT: pictures of Home, Traces, Trace and Headers from the real window under Xvfb, with the demo shop's traces in it.
# Run it as `./dev screenshots`. BELVEDERE names the program; the doors must be free.
set -euo pipefail
out=$1 binary=$(realpath "${BELVEDERE:-target/release/belvedere}")
mkdir -p "$out"
out=$(realpath "$out")
home=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$home"
}
trap finish EXIT

# A display a little higher than the window, for its title bar.
Xvfb -displayfd 3 -screen 0 1440x930x24 -nolisten tcp 3>"$home/display" 2>/dev/null & pids+=($!)
for _ in $(seq 50); do [ -s "$home/display" ] && break; sleep 0.1; done
export DISPLAY=:$(cat "$home/display") LIBGL_ALWAYS_SOFTWARE=1 HOME=$home
unset WAYLAND_DISPLAY
openbox >/dev/null 2>&1 & pids+=($!)
sleep 1
"$binary" --workspace "$home/shop" > "$home/log" 2>&1 & program=$!; pids+=($program)
for _ in $(seq 300); do
  window=$(xdotool search --onlyvisible --name Belvedere | head -1 || true)
  [ -n "$window" ] && break
  kill -0 $program 2>/dev/null || { cat "$home/log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$window" ] || { echo "no window appeared" >&2; exit 1; }
xdotool windowsize "$window" 1440 900
xdotool windowfocus "$window" mousemove --window "$window" 75 500
sleep 3

# Keys come at a person's pace: chords and modifiers are told apart by time.
key() { xdotool key "$1"; sleep 0.15; }
chord() { xdotool keydown "$1"; sleep 0.1; xdotool key "$2"; sleep 0.1; xdotool keyup "$1"; sleep 0.3; }
# shot NAME: once the picture stands still, at most ten seconds later.
shot() {
  local picture=$out/$1.png
  import -window "$window" "$picture"
  for _ in $(seq 10); do
    sleep 1
    import -window "$window" "$home/again.png"
    [ "$(compare -metric AE "$picture" "$home/again.png" null: 2>&1 || true)" = 0 ] && break
    mv "$home/again.png" "$picture"
  done
  convert "$picture" -strip -define png:compression-level=9 "$picture"
  [ "$(identify -format %k "$picture")" -gt 40 ] || { echo "$picture is empty" >&2; exit 1; }
  echo "$picture"
}

shot home
"$binary" demo --seed 7 --rate 8 --duration 25 > "$home/demo" 2>&1 || { cat "$home/demo" >&2; exit 1; }
sleep 3
key g; key t; sleep 2
shot traces
chord ctrl k; shot palette; key Escape; sleep 1
# A trace with something in it: the newest purchase that failed.
key slash; xdotool type --delay 40 'name = buy and status = error'; chord ctrl Return; sleep 2; key Escape; key Escape
key j; key Return; sleep 2
shot trace
key 2; shot waterfall
# What a request carries: the example of the header inspector, for there is no such request in the shop.
key g; key i; sleep 1
xdotool type --delay 10 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03'; key Return
xdotool type --delay 10 'tracestate: ot=th:c;rv:d0000000000000'; key Return
xdotool type --delay 10 'baggage: app.tenant=acme,app tier=gold'; sleep 1
shot headers
