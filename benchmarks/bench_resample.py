"""
What does resampling cost, against soxr's HQ stream?

Measures both in turns in one run, from PCM16 bytes to PCM16 bytes as a call needs them, in CPU time of the
whole process (so that threads of a BLAS count), and prints the median ratios; absolute numbers mean little on
another machine. ``soxr`` is needed by this file alone: ``pip install soxr``.

    python -m benchmarks.bench_resample [--rounds 100]
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bridge.audio.resample import PHONE_RATE_HZ, RATES_HZ, Downsampler, Upsampler

CHUNKS_MS: Final = (20, 100, 500)
CALLS: Final = 20
"""In a row to one reading of the clock, which itself is not free."""

Convert = Callable[[bytes], bytes]


def speech_like(rate_hz: int, length_ms: int) -> bytes:
    """Noise at a talker's level, -20 dBFS; the same every time."""
    noise = np.random.default_rng(7).standard_normal(rate_hz * length_ms // 1000) * 3277
    return noise.clip(-32768, 32767).astype("<i2").tobytes()


def ours(from_hz: int, to_hz: int) -> Convert:
    """Give our converter."""
    return Upsampler(to_hz).convert if from_hz == PHONE_RATE_HZ else Downsampler(from_hz).convert


def theirs(from_hz: int, to_hz: int) -> Convert:
    """Give soxr's."""
    soxr: Any = importlib.import_module("soxr")  # it has no type information
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="HQ")
    return lambda pcm: bytes(stream.resample_chunk(np.frombuffer(pcm, "<i2")).tobytes())


def cpu_us(convert: Convert, pcm: bytes) -> float:
    """CPU time of one call, in microseconds."""
    began_ns = time.process_time_ns()
    for _ in range(CALLS):
        convert(pcm)
    return (time.process_time_ns() - began_ns) / CALLS / 1000


def compare(from_hz: int, to_hz: int, chunk_ms: int, rounds: int) -> tuple[float, float]:
    """Median CPU time per chunk in microseconds: ours, soxr's."""
    pcm = speech_like(from_hz, chunk_ms)
    converters = (ours(from_hz, to_hz), theirs(from_hz, to_hz))
    readings: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for convert, list_ in zip(converters, readings, strict=True):
            list_.append(cpu_us(convert, pcm))
    return statistics.median(readings[0]), statistics.median(readings[1])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    print("chunk ms   from Hz     to Hz   ours µs   soxr µs   ratio")
    high_rates = [rate_hz for rate_hz in RATES_HZ if rate_hz != PHONE_RATE_HZ]
    directions = [(PHONE_RATE_HZ, hz) for hz in high_rates] + [(hz, PHONE_RATE_HZ) for hz in high_rates]
    for chunk_ms in CHUNKS_MS:
        for from_hz, to_hz in directions:
            mine, other = compare(from_hz, to_hz, chunk_ms, rounds)
            print(f"{chunk_ms:8}{from_hz:10}{to_hz:10}{mine:10.1f}{other:10.1f}{mine / other:8.2f}")


if __name__ == "__main__":
    main()
