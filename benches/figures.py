#!/usr/bin/env python3
"""Prints the table of figures: what, target, measured, with the machine's name. Run it as `./dev bench`.

Everything is measured from outside on the release binary: the load generator sends over loopback, the clock and /proc
answer. Window rows run under Xvfb with software rendering. ROWS= names rows to print (a part of the name), SPANS_STORED=
makes the large workspace smaller for a quick look. Bounded in time, loopback only, ends what it starts.
"""

import json
import mmap
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

BELVEDERE = os.path.abspath(os.environ["BELVEDERE"])
LOADGEN = os.environ.get("LOADGEN", "")
STORED = int(os.environ.get("SPANS_STORED", "5000000"))
ROWS = os.environ.get("ROWS", "")
HERTZ = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


# ---------------------------------------------------------------------------------------------------- processes


def stat(pid):
    """CPU seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / HERTZ


def memory(pid, which="VmRSS"):
    """Resident memory in MiB: now (VmRSS) or at its highest (VmHWM)."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024


def end(process, patience=30):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Serve:
    """`belvedere serve` on free ports, over a workspace."""

    def __init__(self, workspace, *more):
        doors = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--api", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [BELVEDERE, "serve", "--workspace", workspace, *doors, *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.doors = {}
        for line in self.process.stdout:
            if line.startswith("listening "):
                _, door, address = line.split()
                self.doors.setdefault(door, address)
            elif line.strip() == "ready":
                break
        else:
            raise SystemExit("serve did not get ready")

    pid = property(lambda self: self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.doors['api']}{path}", timeout=60) as reply:
            return reply.read()

    def load(self, *arguments):
        """One run of the load generator; its line of results."""
        command = [LOADGEN, "traces", "--endpoint", f"http://{self.doors['otlp-grpc']}", "--protocol", "grpc", *map(str, arguments)]
        output = subprocess.run(command, capture_output=True, text=True, timeout=500, check=True).stdout
        return json.loads(output.strip().splitlines()[-1])

    def rest(self, seconds=30):
        """Waits until the process is at rest: what was taken in is sealed."""
        for _ in range(seconds):
            before = stat(self.pid)
            time.sleep(1)
            if stat(self.pid) - before < 0.03:
                return


class Screen:
    """An Xvfb with a window manager, its picture read from the memory that Xvfb draws in."""

    WIDTH, HEIGHT = 1440, 900

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="belvedere-screen-")
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", "1", "-screen", "0", f"{self.WIDTH}x{self.HEIGHT}x24", "-nolisten", "tcp", "-fbdir", self.folder],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.env = {**os.environ, "DISPLAY": f":{self.server.stdout.readline().strip()}", "LIBGL_ALWAYS_SOFTWARE": "1"}
        self.env.pop("WAYLAND_DISPLAY", None)
        self.manager = subprocess.Popen(["openbox"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(Path(self.folder) / "Xvfb_screen0", "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        # The header of an xwd file: 25 numbers, the name, then 12 bytes a colour.
        header = struct.unpack(">25I", self.memory[:100])
        self.pixels, self.stride = header[0] + header[19] * 12, header[12]
        time.sleep(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.manager)
        end(self.server)
        shutil.rmtree(self.folder, ignore_errors=True)

    def window(self, workspace, *arguments):
        doors = {"--otlp-grpc": "127.0.0.1:0", "--otlp-http": "127.0.0.1:0", "--api": "127.0.0.1:0"}
        doors.update(zip(arguments[::2], arguments[1::2]))
        return subprocess.Popen(
            [BELVEDERE, "--workspace", workspace, *sum(map(list, doors.items()), [])], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def row(self, y, left=0, right=WIDTH):
        """A line of pixels."""
        start = self.pixels + y * self.stride
        return self.memory[start + left * 4 : start + right * 4]

    def lowest(self, top, bottom, left, right):
        """The lowest line of a part of the screen that has more than one colour; `top` when there is none."""
        for y in range(bottom - 1, top, -1):
            line = self.row(y, left, right)
            if line != line[:4] * (right - left):
                return y
        return top

    def painted(self, process, patience=60):
        """Seconds until a window shows text and shapes, to the millisecond; `None` when it never does."""
        begun = time.monotonic()
        while time.monotonic() - begun < patience and process.poll() is None:
            colours = set()
            for y in range(60, self.HEIGHT - 60, 20):
                line = self.row(y)
                colours.update(line[at : at + 4] for at in range(0, len(line), 12))
            if len(colours) > 12:
                return time.monotonic() - begun
            time.sleep(0.002)
        return None

    def keys(self, *keys):
        for key in keys:
            subprocess.run(["xdotool", "key", key], env=self.env, check=True)
            time.sleep(0.15)


# ---------------------------------------------------------------------------------------------------- rows


def row(name, target):
    """Marks a function as a row of the table; it yields (what, target, measured, reached) or returns one measured text."""

    def mark(function):
        function.row = (name, target)
        return function

    return mark


def fmt_ms(seconds):
    return f"{seconds * 1e3:.1f} ms"


def median_seconds(action, times):
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


@row("OTLP/gRPC, 500 spans a batch, acknowledged after commit", "150,000 spans/s · p99 50 ms · 400 MB")
def ingest(folder):
    with Serve(folder / "ingest") as serve:
        before = stat(serve.pid)
        result = serve.load("--spans", 1_000_000, "--batch", 500, "--connections", 4)
        serve.rest()
        cpu = (stat(serve.pid) - before) / (result["acked"] / 1e6)
        rate, p99, peak = result["acked_per_s"], result["ack_ms"]["p99"], memory(serve.pid, "VmHWM")
    text = f"{rate:,.0f} spans/s · p99 {p99:.1f} ms · {peak:.0f} MB · {cpu:.1f} CPU s a million"
    return text, rate >= 150_000 and p99 <= 50 and peak <= 400


@row("10,000 spans/s steady", "12 % of one core · 100 MB")
def steady(folder):
    with Serve(folder / "steady") as serve:
        threading.Thread(target=serve.load, args=("--spans", 250_000, "--batch", 500, "--rate", 10_000), daemon=True).start()
        time.sleep(4)
        before, begun = stat(serve.pid), time.monotonic()
        time.sleep(18)
        share = (stat(serve.pid) - before) / (time.monotonic() - begun) * 100
        resident = memory(serve.pid)
        time.sleep(4)
    return f"{share:.1f} % · {resident:.0f} MB", share < 12 and resident < 100


@row("on disk after sealing", "60 B a span")
def disk(folder):
    with Serve(folder / "disk") as serve:
        result = serve.load("--spans", 1_000_000, "--batch", 500, "--connections", 2)
    size = sum(file.stat().st_size for file in (folder / "disk").rglob("*") if file.is_file())
    each = size / result["acked"]
    return f"{each:.1f} B", each <= 60


def large(folder):
    """A workspace of STORED spans that several rows read; made once."""
    workspace = folder / "large"
    if not workspace.exists():
        with Serve(workspace) as serve:
            serve.load("--spans", STORED, "--batch", 500, "--connections", 4)
            serve.rest(60)
    return workspace


def services_and_traces(serve):
    services = json.loads(serve.get("/api/services"))["data"]
    found = json.loads(serve.get(f"/api/traces?service={services[0]}&limit=20"))["data"]
    return services, [trace["traceID"] for trace in found]


@row(f"trace by id, {STORED:,} spans stored", "5 ms")
def by_id(folder):
    with Serve(large(folder)) as serve:
        _, traces = services_and_traces(serve)
        order = iter(traces * 10)
        took = median_seconds(lambda: serve.get(f"/api/traces/{next(order)}"), 60)
    return f"{fmt_ms(took)} over HTTP as JSON", took <= 0.005


@row(f"newest 100 traces of a service, {STORED:,} spans stored, while ingest runs", "20 ms")
def newest(folder):
    with Serve(large(folder)) as serve:
        services, _ = services_and_traces(serve)
        order = iter(services * 20)
        threading.Thread(target=serve.load, args=("--spans", 200_000, "--rate", 20_000, "--seed", 7), daemon=True).start()
        time.sleep(1)
        took = median_seconds(lambda: serve.get(f"/belvedere/v1/traces?query=service%3D{next(order)}&limit=100"), 40)
    return f"{fmt_ms(took)} over HTTP as JSON", took <= 0.020


def bench_lines():
    """The lines of `cargo bench --bench flame`: open and frame cost of large traces, in the window's own code."""
    output = subprocess.run(["cargo", "bench", "--locked", "--quiet", "--bench", "flame"], capture_output=True, text=True, timeout=1500)
    for line in output.stdout.splitlines():
        found = re.match(r"(.+?)\s+([\d.]+) ms\s+target (.+)$", line)
        if found:
            what, took, target = found[1].strip(), float(found[2]), found[3]
            limit = re.match(r"([\d.]+) (ms|s)", target)
            reached = took <= float(limit[1]) * (1000 if limit[2] == "s" else 1) if limit else None
            yield what, target, f"{took:.2f} ms", reached


@row(f"start to first frame, {STORED:,} spans stored", "500 ms")
def first_frame(folder):
    workspace = large(folder)
    took = []
    with Screen() as screen:
        for _ in range(3):
            process = screen.window(workspace)
            took.append(screen.painted(process) or float("inf"))
            end(process)
    return f"{fmt_ms(statistics.median(took))} (Xvfb, software GL)", statistics.median(took) <= 0.5


def one_span(door, number):
    """Sends one finished span over OTLP/HTTP; returns when it is acknowledged."""
    now = time.time_ns()
    span = {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": f"GET /painted/{number}", "kind": 2,
        "startTimeUnixNano": str(now - 5_000_000), "endTimeUnixNano": str(now),
    }  # fmt: skip
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "painted"}}]}
    body = json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]}).encode()
    request = urllib.request.Request(f"http://{door}/v1/traces", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        reply.read()


@row("span sent to span painted", "250 ms")
def painted(folder):
    # The newest trace is a new line of the list: its lowest line of text moves down.
    top, bottom, left, right = 200, 840, 300, 800
    took = []
    with Screen() as screen:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            door = f"127.0.0.1:{free.getsockname()[1]}"
        process = screen.window(folder / "painted", "--otlp-http", door)
        screen.painted(process)
        # Under the pointer the list stands still.
        subprocess.run(["xdotool", "mousemove", "75", "500"], env=screen.env, check=True)
        time.sleep(2)
        one_span(door, 1)
        screen.keys("g", "t")
        time.sleep(2)
        for number in range(2, 13):
            before, begun = screen.lowest(top, bottom, left, right), time.monotonic()
            one_span(door, number)
            while screen.lowest(top, bottom, left, right) < before + 8 and time.monotonic() - begun < 5:
                time.sleep(0.002)
            took.append(time.monotonic() - begun)
            # Off the rhythm of the window's own wakes.
            time.sleep(0.7 + 0.037 * number)
        end(process)
    middle, worst = statistics.median(took), max(took)
    return f"{fmt_ms(middle)}, at most {fmt_ms(worst)} (Xvfb, software GL)", worst <= 0.25


@row("window idle", "1 % of a core · 150 MB")
def idle_window(folder):
    with Screen() as screen:
        process = screen.window(folder / "idle-window")
        screen.painted(process)
        time.sleep(5)
        before, begun = stat(process.pid), time.monotonic()
        time.sleep(20)
        share = (stat(process.pid) - before) / (time.monotonic() - begun) * 100
        resident = memory(process.pid)
        end(process)
    return f"{share:.2f} % · {resident:.0f} MB (of it software GL)", share < 1 and resident < 150


@row("headless idle", "1 % of a core · 64 MB")
def idle_headless(folder):
    with Serve(folder / "idle") as serve:
        time.sleep(3)
        before, begun = stat(serve.pid), time.monotonic()
        time.sleep(10)
        share = (stat(serve.pid) - before) / (time.monotonic() - begun) * 100
        resident = memory(serve.pid)
    return f"{share:.2f} % · {resident:.0f} MB", share < 1 and resident < 64


MEASURED = [ingest, steady, disk, by_id, newest, first_frame, painted, idle_window, idle_headless]


# ---------------------------------------------------------------------------------------------------- the table


def machine():
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    total = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / MIB
    return f"{cpu[1] if cpu else os.uname().machine}, {os.cpu_count()} cores, {total:.0f} GiB, {os.uname().sysname} {os.uname().release}"


def line(what, target, measured, reached):
    print(f"| {what} | {target} | {measured} | {'yes' if reached else '' if reached is None else 'no'} |", flush=True)


def main():
    if not os.access(LOADGEN, os.X_OK):
        raise SystemExit("LOADGEN names no load generator; see ../shared/bench/README.md")
    have_screen = all(map(shutil.which, ["Xvfb", "openbox", "xdotool"]))
    folder = Path(tempfile.mkdtemp(prefix="belvedere-figures-"))
    print(f"Machine: {machine()}; load {os.getloadavg()[0]:.1f} at the start\n")
    print("| what | to reach | measured | reached |\n|---|---|---|---|", flush=True)
    try:
        for function in MEASURED:
            name, target = function.row
            if ROWS not in name:
                continue
            if "Screen" in function.__code__.co_names and not have_screen:
                line(name, target, "not measured: no Xvfb", None)
                continue
            try:
                line(name, target, *function(folder))
            except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
                line(name, target, f"failed: {error}", False)
        if ROWS in "flame graph":
            for found in bench_lines():
                line(*found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
