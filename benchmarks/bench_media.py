"""
How dear is a frame, and how many calls does a core carry?

Measures our server (with the ``echo`` sink) and a naive FastAPI handler in the same run on the same core, the
load on another one, and prints the ratios; absolute numbers mean little on another machine. A number of calls
counts as carried while 99 of 100 echoes are back within 20 ms and no frame is lost.

    python benchmarks/bench_media.py [--calls 100] [--seconds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import psutil

HERE: Final = Path(__file__).parent
SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
P99_MS: Final = 20.0
LOAD_LATE_MS: Final = 10.0
MOST_CALLS: Final = 3000
WARM_UP_S: Final = 2.0

SERVERS: Final[dict[str, Sequence[str]]] = {
    "naive": ("-m", "uvicorn", "naive:app", "--app-dir", str(HERE), "--log-level", "warning", "--port"),
    "bridge": ("-m", "bridge", "serve", "--sink", "echo", "--log-level", "warning", "--port"),
}


@dataclass(frozen=True)
class Result:
    """One server under so many calls."""

    calls: int
    cpu_us_per_frame: float
    core_percent: float
    p50_ms: float
    p99_ms: float
    load_late_ms: float
    lost: int

    @property
    def is_carried(self) -> bool:
        """Whether this many calls are served well."""
        return self.p99_ms <= P99_MS and self.lost == 0

    def __str__(self) -> str:
        note = "  (the load was late itself)" if self.load_late_ms > LOAD_LATE_MS else ""
        return (
            f"{self.calls:5d} calls  {self.cpu_us_per_frame:6.1f} µs/frame  {self.core_percent:5.1f} % core  "
            f"p50 {self.p50_ms:6.2f} ms  p99 {self.p99_ms:7.2f} ms  lost {self.lost}{note}"
        )


@contextmanager
def server(name: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run a server on its core until the block ends, with no settings but ours."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("BRIDGE_", "TWILIO_"))
    }
    environment["BRIDGE_UNSIGNED_SOCKETS_MAX"] = str(MOST_CALLS + 1)
    command = [sys.executable, "-W", "ignore", *SERVERS[name], str(port)]
    with TemporaryDirectory() as folder:
        process = psutil.Popen(command, env=environment, cwd=folder)
        try:
            pin(process, SERVER_CORE)
            wait_for(f"http://127.0.0.1:{port}/healthz")
            yield f"ws://127.0.0.1:{port}/media-stream", process
        finally:
            process.terminate()
            process.wait(60)


def pin(process: psutil.Process, core: int) -> None:
    """Keep a process on one core, where the system and the machine can."""
    if hasattr(process, "cpu_affinity") and (os.cpu_count() or 1) > core:
        process.cpu_affinity([core])


def wait_for(url: str) -> None:
    """Return when the server answers."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310  (loopback)
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise TimeoutError(url)


def measure(name: str, calls: int, seconds: float) -> Result:
    """Start the server afresh, put the load on it, and take its CPU time over exactly the measured span."""
    with server(name) as (url, process):
        command = [sys.executable, str(HERE / "load.py"), url, str(calls), str(WARM_UP_S), str(seconds)]
        load = psutil.Popen(command, stdout=subprocess.PIPE, text=True)
        pin(load, LOAD_CORE)
        cpu_s, began_s = 0.0, 0.0
        report = {}
        for line in load.stdout:
            if line == "measuring\n":
                cpu_s, began_s = busy_s(process), time.perf_counter()
            elif line == "measured\n":
                cpu_s, began_s = busy_s(process) - cpu_s, time.perf_counter() - began_s
            else:
                report = json.loads(line)
        if load.wait() != 0:
            raise RuntimeError(f"the load failed with exit code {load.returncode}")
    in_flight = calls  # sent in the last 20 ms: their echoes may be on their way
    return Result(
        calls=calls,
        cpu_us_per_frame=cpu_s * 1e6 / max(1, report["sent"]),
        core_percent=100 * cpu_s / began_s,
        p50_ms=report["round_trip_p50_ms"],
        p99_ms=report["round_trip_p99_ms"],
        load_late_ms=report["late_p99_ms"],
        lost=max(0, report["sent"] - report["echoed"] - in_flight) + report["closed"],
    )


def busy_s(process: psutil.Process) -> float:
    """Return the CPU time a process has used, in the kernel too."""
    times = process.cpu_times()
    return float(times.user + times.system)


def capacity(name: str, seconds: float, first: Result) -> int:
    """Find how many calls a core carries: half as many more until it fails, then two steps between."""
    carried, failed = 0, 0
    calls = first.calls
    if first.is_carried:
        carried, calls = calls, calls * 3 // 2
    while not failed and calls <= MOST_CALLS:
        result = measure(name, calls, seconds)
        print(f"  {name:7s} {result}", flush=True)
        if result.is_carried:
            carried, calls = calls, calls * 3 // 2
        else:
            failed = calls
    for _ in range(2):
        if not failed or failed - carried < 10:
            break
        result = measure(name, (carried + failed) // 2, seconds)
        print(f"  {name:7s} {result}", flush=True)
        if result.is_carried:
            carried = result.calls
        else:
            failed = result.calls
    return carried


def main() -> None:
    """Measure both, print both, print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100, help="calls at which CPU per frame is compared")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--no-capacity", action="store_true", help="compare at --calls only")
    options = parser.parse_args()
    print(f"At {options.calls} calls, {options.seconds:.0f} s each:", flush=True)
    at_once = {}
    for name in SERVERS:
        at_once[name] = measure(name, options.calls, options.seconds)
        print(f"  {name:7s} {at_once[name]}", flush=True)
    ratio = at_once["naive"].cpu_us_per_frame / at_once["bridge"].cpu_us_per_frame
    if options.no_capacity:
        print(f"CPU per frame, naive : bridge = {ratio:.2f}")
        return
    print(f"Calls on one core at p99 <= {P99_MS:.0f} ms:", flush=True)
    carried = {name: capacity(name, options.seconds, at_once[name]) for name in SERVERS}
    print(f"CPU per frame, naive : bridge = {ratio:.2f}  (above 1, bridge is cheaper)")
    more = carried["bridge"] / max(1, carried["naive"])
    print(f"Calls per core, bridge : naive = {more:.2f}  ({carried['bridge']} : {carried['naive']})")


if __name__ == "__main__":
    main()
