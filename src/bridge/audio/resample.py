"""
Between 8000 Hz and 16, 24 or 48 kHz, as a stream: low delay, no alias, one output however it is cut.

Polyphase FIR with 30 taps a phase, linear phase: pass band 0–3.6 kHz within 0.1 dB, stop band from 4.4 kHz
at least 68 dB down, delay 1.85 ms. The coefficients are integers (in ``resample_taps.json``, designed by the
Remez exchange for those bands), so every sum is exact in a float64 and no order of adding changes a bit.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bridge.errors import AudioError

PHONE_RATE_HZ: Final = 8000
RATES_HZ: Final = (8000, 16_000, 24_000, 48_000)
DELAY_MS: Final = 1.85
"""Of either direction; the group delay of a linear-phase filter."""
_ONE: Final = 32_768


@cache
def _taps(factor: int) -> NDArray[np.float64]:
    """The prototype at the higher rate; each of its phases adds up to about ``_ONE``."""
    table = json.loads(files("bridge.audio").joinpath("resample_taps.json").read_text())
    return np.array(table[str(factor)], np.float64)


def _factor(rate_hz: int) -> int:
    if rate_hz not in RATES_HZ[1:]:
        raise AudioError(f"rate_hz is {rate_hz}: it must be one of 16000, 24000 and 48000")
    return rate_hz // PHONE_RATE_HZ


class Upsampler:
    """
    From 8000 Hz to ``rate_hz``.

    Raises:
        AudioError: the rate is none of 16000, 24000 and 48000.

    """

    def __init__(self, rate_hz: int) -> None:
        factor = _factor(rate_hz)
        # Row k of the matrix weighs the k-th oldest input sample for each of the output's phases.
        self._matrix = np.ascontiguousarray(_taps(factor).reshape(-1, factor)[::-1])
        self._history = np.zeros(len(self._matrix) - 1)

    def convert(self, pcm: bytes) -> bytes:
        """Give ``rate_hz / 8000`` samples for each sample of PCM16 mono; any length, empty allowed."""
        samples = np.concatenate((self._history, np.frombuffer(pcm, "<i2")))
        self._history = samples[len(samples) - len(self._history) :]
        if not pcm:
            return b""
        windows = sliding_window_view(samples, len(self._matrix))
        return _to_pcm(windows @ self._matrix)


class Downsampler:
    """
    From ``rate_hz`` to 8000 Hz; errors as ``Upsampler``.

    What does not make a whole output sample yet waits for the next piece.
    """

    def __init__(self, rate_hz: int) -> None:
        self._factor = _factor(rate_hz)
        self._taps = _taps(self._factor)[::-1] / self._factor
        self._waiting = np.zeros(len(self._taps) - 1)

    def finish(self) -> bytes:
        """Give what the filter still holds, once no more input will come."""
        return self.convert(bytes(2 * (len(self._taps) // 2 + self._factor)))

    def convert(self, pcm: bytes) -> bytes:
        """Give one sample for each ``rate_hz / 8000`` of PCM16 mono that are complete."""
        samples = np.concatenate((self._waiting, np.frombuffer(pcm, "<i2")))
        count = max(0, (len(samples) - len(self._taps)) // self._factor + 1)
        self._waiting = samples[count * self._factor :]
        if not count:
            return b""
        windows = sliding_window_view(samples, len(self._taps))[: count * self._factor : self._factor]
        return _to_pcm(windows @ self._taps)


def _to_pcm(scaled: NDArray[np.float64]) -> bytes:
    """Round half up, clip, and pack; integers all the way, so that nothing depends on the machine."""
    return np.clip(np.floor(scaled / _ONE + 0.5), -32_768, 32_767).astype("<i2").tobytes()
