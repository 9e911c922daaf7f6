"""One server under so many calls: what it costs and how it serves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import psutil

from benchmarks.servers import CONSUMED, HERE, LOAD_CORE, pin, server

P99_MS: Final = 20.0
LOAD_LATE_MS: Final = 10.0
WARM_UP_S: Final = 2.0


@dataclass(frozen=True)
class Result:
    """
    One measurement.

    Attributes:
        cpu_us_per_frame: CPU time of the server, in the kernel too, per frame it was sent.
        core_percent: How busy its core was.
        memory_kb_per_call: Resident memory the calls added, each.
        load_late_ms: How late the load was itself; large values say nothing about the server.
        lost: Frames whose echo never came, and calls that were closed.

    """

    server: str
    calls: int
    cpu_us_per_frame: float
    core_percent: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    first_audio_ms: float
    memory_kb_per_call: float
    load_late_ms: float
    lost: int

    @property
    def is_carried(self) -> bool:
        """Whether this many calls are served well."""
        return self.p99_ms <= P99_MS and self.lost == 0

    @property
    def core_percent_per_call(self) -> float:
        """How much of a core one call takes."""
        return self.core_percent / self.calls

    def __str__(self) -> str:
        note = "  (the load was late itself)" if self.load_late_ms > LOAD_LATE_MS else ""
        return (
            f"{self.server:24s} {self.calls:5d} calls  {self.cpu_us_per_frame:6.1f} µs/frame  "
            f"{self.core_percent:5.1f} % core ({self.core_percent_per_call:.3f} a call)  "
            f"p50 {self.p50_ms:6.2f}  p99 {self.p99_ms:7.2f}  max {self.max_ms:7.1f} ms  "
            f"first {self.first_audio_ms:5.1f} ms  {self.memory_kb_per_call:5.0f} KB/call  "
            f"lost {self.lost}{note}"
        )


def measure(name: str, calls: int, seconds: float) -> Result:
    """Start the server afresh, put the load on it, and take its CPU time over exactly the measured span."""
    with server(name) as (port, process):
        url = f"ws://127.0.0.1:{port}/media-stream"
        before_bytes = process.memory_info().rss
        load = _start("load", url, str(calls), str(WARM_UP_S), str(seconds))
        consumers: psutil.Popen | None = None
        used_s = began_s = 0.0
        used_bytes = 0
        report: dict[str, Any] = {}
        for line in load.stdout:
            if line == "connected\n" and name in CONSUMED:
                consumers = _start("consume", str(port), str(calls))
            elif line == "measuring\n":
                used_s, began_s = busy_s(process), perf_counter()
            elif line == "measured\n":
                used_s, began_s = busy_s(process) - used_s, perf_counter() - began_s
                used_bytes = process.memory_info().rss - before_bytes
            elif line.startswith("{"):
                report = json.loads(line)
        if load.wait() != 0:
            raise RuntimeError(f"the load failed with exit code {load.returncode}")
        if consumers is not None:
            consumers.kill()
            consumers.wait()
    echoes = not name.endswith(("discard", "wav", "log", "consumer", "bridge"))
    return Result(
        server=name,
        calls=calls,
        cpu_us_per_frame=used_s * 1e6 / max(1, report["sent"]),
        core_percent=100 * used_s / began_s,
        p50_ms=report["round_trip_p50_ms"] if echoes else 0.0,
        p99_ms=report["round_trip_p99_ms"] if echoes else 0.0,
        max_ms=report["round_trip_max_ms"] if echoes else 0.0,
        first_audio_ms=report["first_audio_p50_ms"] if echoes else 0.0,
        memory_kb_per_call=used_bytes / 1024 / calls,
        load_late_ms=report["late_p99_ms"],
        # What was sent within the last 20 ms before the end is still on its way.
        lost=(max(0, report["sent"] - report["echoed"] - calls) if echoes else 0) + report["closed"],
    )


def _start(script: str, *arguments: str) -> psutil.Popen:
    command = [sys.executable, "-m", f"benchmarks.{script}", *arguments]
    process = psutil.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    pin(process, LOAD_CORE)
    return process


def busy_s(process: psutil.Process) -> float:
    """Return the CPU time a process has used, in the kernel too."""
    times = process.cpu_times()
    return float(times.user + times.system)
