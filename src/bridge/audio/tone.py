"""
Tones as PCM16: single and dual sines, and the sixteen digits of a telephone keypad.

Frequencies are those of ITU-T Q.23; lengths stay above the 40 ms on and 40 ms off that Q.24 lets a
receiver ask for. Every tone fades in and out over 4 ms, so that it does not click.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.audio.g711 import SAMPLE_RATE_HZ
from bridge.errors import AudioError

_LOW_HZ: Final = (697, 770, 852, 941)
_HIGH_HZ: Final = (1209, 1336, 1477, 1633)
_KEYPAD: Final = ("123A", "456B", "789C", "*0#D")

DTMF_HZ: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {
        digit: (low_hz, high_hz)
        for low_hz, row in zip(_LOW_HZ, _KEYPAD, strict=True)
        for high_hz, digit in zip(_HIGH_HZ, row, strict=True)
    }
)
"""Each digit's low and high frequency (ITU-T Q.23, table 1)."""

_FADE_MS: Final = 4


def tone(
    frequencies_hz: Sequence[float],
    duration_ms: int,
    *,
    level_dbfs: float = -16.0,
    sample_rate_hz: int = SAMPLE_RATE_HZ,
) -> bytes:
    """
    Sines of equal level, added up.

    Args:
        frequencies_hz: One or more, each below half the sampling rate.
        duration_ms: Length, fades included.
        level_dbfs: RMS level of the whole, relative to a full-scale square wave.
        sample_rate_hz: Sampling rate of the result.

    Returns:
        PCM16 little-endian mono, ``duration_ms * sample_rate_hz // 1000`` samples.

    Raises:
        AudioError: no frequency, one that the sampling rate cannot carry, or a level that would clip.

    """
    if not frequencies_hz or not all(0 < hz < sample_rate_hz / 2 for hz in frequencies_hz):
        raise AudioError(f"frequencies must lie between 0 and {sample_rate_hz / 2:g} Hz: {frequencies_hz}")
    count = len(frequencies_hz)
    peak = 32768 * 10 ** (level_dbfs / 20) * math.sqrt(2 / count)  # of each sine
    if peak * count > 32767:
        raise AudioError(f"{count} sines at {level_dbfs:g} dBFS would clip")
    samples = duration_ms * sample_rate_hz // 1000
    time_s = np.arange(samples) / sample_rate_hz
    wave: NDArray[np.float64] = np.sin(2 * math.pi * np.outer(frequencies_hz, time_s)).sum(axis=0) * peak
    fade_samples = min(_FADE_MS * sample_rate_hz // 1000, samples // 2)
    if fade_samples:
        fade = np.sin(np.linspace(0, math.pi / 2, fade_samples, endpoint=False)) ** 2
        wave[:fade_samples] *= fade
        wave[-fade_samples:] *= fade[::-1]
    return np.rint(wave).astype("<i2").tobytes()


@cache
def dtmf(digit: str, *, duration_ms: int = 100, sample_rate_hz: int = SAMPLE_RATE_HZ) -> bytes:
    """
    The dual tone of one keypad digit, at -16 dBFS.

    Args:
        digit: One of ``0``-``9``, ``*``, ``#``, ``A``-``D`` (either case).
        duration_ms: Length; receivers may ignore anything under 40 ms.
        sample_rate_hz: Sampling rate of the result.

    Returns:
        PCM16 little-endian mono.

    Raises:
        AudioError: there is no such digit.

    """
    pair = DTMF_HZ.get(digit.upper())
    if pair is None:
        raise AudioError(f"{digit!r} is no telephone digit; there are 0-9, *, # and A-D")
    return tone(pair, duration_ms, sample_rate_hz=sample_rate_hz)
