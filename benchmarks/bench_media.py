"""
How dear is a frame, what does each feature cost, and how many calls does a core carry?

Every server runs alone on one core, the load on another, all in the same run, because only ratios mean
anything on another machine. A number of calls counts as carried while 99 of 100 echoes are back within
20 ms and no frame is lost. Pipecat is measured where ``make setup`` has prepared it.

    python -m benchmarks.bench_media [ratios|features|capacity|disturbed …] [--calls 200] [--seconds 5]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Final

from benchmarks.measure import P99_MS, Result, measure
from benchmarks.servers import PIPECAT_PYTHON

SIZES: Final = (50, 200, 400, 600, 800, 1000)
FEATURES: Final = (
    "bridge discard",
    "bridge log",
    "bridge wav",
    "bridge consumer",
    "bridge echo",
    "bridge wav, echo",
    "bridge all",
)


def run(name: str, calls: int, seconds: float) -> Result:
    """Measure and say so."""
    result = measure(name, calls, seconds)
    print(f"  {result}", flush=True)
    return result


def ratios(calls: int, seconds: float, rounds: int) -> None:
    """Compare CPU per frame, the servers taking turns; the median of the rounds counts."""
    names = ["naive echo", "picows echo", "bridge echo", "picows discard", "bridge discard"]
    print(f"CPU per frame at {calls} calls, {seconds:.0f} s each, {rounds} rounds:", flush=True)
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(run(name, calls, seconds).cpu_us_per_frame)
    cost = {name: median(values) for name, values in found.items()}
    print(f"bridge echo : naive echo         = {cost['bridge echo'] / cost['naive echo']:.2f}")
    print(f"bridge echo : picows echo        = {cost['bridge echo'] / cost['picows echo']:.2f}")
    print(f"bridge discard : picows discard  = {cost['bridge discard'] / cost['picows discard']:.2f}")
    if PIPECAT_PYTHON.exists():
        few = min(calls, 20)
        pipecat, ours = run("pipecat echo", few, seconds), run("bridge echo", few, seconds)
        ratio = ours.cpu_us_per_frame / pipecat.cpu_us_per_frame
        print(f"bridge echo : pipecat echo       = {ratio:.3f}  (at {few} calls)")
    else:
        print("(pipecat is not here; `make setup` prepares it)")


def features(calls: int, seconds: float) -> None:
    """What each feature adds to a server that only listens."""
    print(f"Features at {calls} calls:", flush=True)
    results = {name: run(name, calls, seconds) for name in FEATURES}
    base = results["bridge discard"]
    print("| feature | µs/frame | added | % of a core per call, added | KB/call |")
    print("|---|---|---|---|---|")
    for name, one in results.items():
        added_us = one.cpu_us_per_frame - base.cpu_us_per_frame
        added_percent = one.core_percent_per_call - base.core_percent_per_call
        print(
            f"| {name.removeprefix('bridge ')} | {one.cpu_us_per_frame:.1f} | {added_us:+.1f} "
            f"| {added_percent:+.3f} | {one.memory_kb_per_call:.0f} |"
        )


def capacity(names: Sequence[str], seconds: float) -> None:
    """Each server at growing numbers of calls, up to the first it does not carry."""
    print(f"Calls on one core at p99 <= {P99_MS:.0f} ms:", flush=True)
    carried = dict.fromkeys(names, 0)
    for name in names:
        for calls in SIZES:
            if not run(name, calls, seconds).is_carried:
                break
            carried[name] = calls
    for name, calls in carried.items():
        print(f"{name:24s} carries {calls}")


def disturbed(calls: int, seconds: float, rounds: int) -> None:
    """The same calls with and without sinks that misbehave."""
    print(f"Hostile sinks beside {calls} calls that are recorded and echoed, {rounds} pairs:", flush=True)
    differences: list[float] = []
    for _ in range(rounds):
        calm = run("bridge wav, echo", calls, seconds)
        loud = run("bridge echo, disturbed", calls, seconds)
        differences.append(loud.p99_ms - 1.25 * calm.p99_ms)
    print(f"p99 beyond 1.25 x the undisturbed one: {median(differences):+.2f} ms (median)")


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ("ratios", "features", "capacity", "disturbed")
    parser.add_argument("parts", nargs="*", choices=(*parts, []), help="all of them by default")
    parser.add_argument("--calls", type=int, default=200, help="calls at which costs are compared")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions where servers take turns")
    options = parser.parse_args()
    wanted = options.parts or parts
    if "ratios" in wanted:
        ratios(options.calls, options.seconds, options.rounds)
    if "features" in wanted:
        features(options.calls, options.seconds)
    if "capacity" in wanted:
        names = ["naive echo", "picows echo", "bridge echo", "bridge wav, echo"]
        capacity(names + (["pipecat echo"] if PIPECAT_PYTHON.exists() else []), options.seconds)
    if "disturbed" in wanted:
        disturbed(options.calls, options.seconds, options.rounds)


if __name__ == "__main__":
    main()
