"""
Between 8000 Hz and 16, 24 or 48 kHz, as a stream: low delay, no alias, one output however it is cut.

Polyphase FIR with 22 taps a phase, linear phase: pass band 0–3.6 kHz within 0.4 dB, stop band from 4.4 kHz
at least 61 dB down, delay 1.36 ms. The coefficients (in ``resample_taps.json``, designed by the Remez
exchange for those bands) are whole multiples of 2⁻¹⁷, also after the division that ``Downsampler`` needs, so
every sum is exact in a float64 and no order of adding changes a bit.

The work is one matrix product for each piece: its rows are windows of the input that overlap by the filter's
length, its matrix is the filter written once for each of the ``_BLOCK`` phone samples a row stands for. That
multiplies more than a plain filter would, but in the one loop that a machine runs at full speed.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.errors import AudioError

PHONE_RATE_HZ: Final = 8000
RATES_HZ: Final = (8000, 16_000, 24_000, 48_000)
DELAY_MS: Final = 1.36
"""Of either direction; the group delay of a linear-phase filter."""
_ONE: Final = 1 << 17
"""The unit of the table's integers."""
_BLOCK: Final = 8
"""Phone samples to a row of the product: fewer cost more copying, more cost more multiplying."""
_MOST_PRODUCTS: Final = 1 << 18
"""At a time: OpenBLAS starts threads above it, and an hour of audio then needs no more room than a second."""
_PCM: Final = np.dtype("<i2")
_FLOAT: Final = np.dtype(np.float64)
# Arrays of no dimension, because each call would else make one of a plain number.
_LOWEST: Final = np.array(-32_768.0)
_HIGHEST: Final = np.array(32_767.0)


class _Filter:
    """
    A filter and the input that it still needs.

    Args:
        matrix: A row for each input sample of a window, oldest first; a column for each output sample.
        group: Input samples that belong together, of which a window brings ``_BLOCK``.

    """

    def __init__(self, matrix: NDArray[np.float64], group: int) -> None:
        self._matrix = matrix
        self._group_bytes = 2 * group
        self._step_bytes = self._group_bytes * _BLOCK
        self._history_bytes = 2 * len(matrix) - self._step_bytes
        self._most_bytes = _MOST_PRODUCTS // matrix.size * self._step_bytes
        self._room = memoryview(b"")
        self._held_bytes = 0
        # As if silence had come before; the first sample of a group is enough to complete it.
        self._furnish(self._history_bytes + self._group_bytes - 2)
        self._held_bytes = self._total_bytes

    def convert(self, pcm: bytes) -> bytes:
        """
        Convert PCM16 mono of any length, empty allowed.

        Raises:
            ValueError: ``pcm`` ends inside a sample.

        """
        length_bytes = len(pcm)
        if length_bytes % 2:
            raise ValueError(f"pcm has {length_bytes} bytes: 16-bit samples need an even number")
        if length_bytes <= self._most_bytes:
            return self._piece(pcm, length_bytes)
        pieces = (pcm[at : at + self._most_bytes] for at in range(0, length_bytes, self._most_bytes))
        return b"".join([self._piece(piece, len(piece)) for piece in pieces])

    def _piece(self, pcm: bytes, length_bytes: int) -> bytes:
        held_bytes = self._held_bytes
        total_bytes = held_bytes + length_bytes
        if total_bytes != self._total_bytes:
            self._furnish(total_bytes)
        room = self._room
        room[held_bytes:total_bytes] = pcm
        used_bytes = self._used_bytes
        if not used_bytes:
            self._held_bytes = total_bytes
            return b""
        scaled: NDArray[np.float64] = self._windows.astype(_FLOAT).dot(self._matrix)
        self._held_bytes = total_bytes - used_bytes
        room[: self._held_bytes] = room[used_bytes:total_bytes]
        # Integers before and after, rounded half to even, so that nothing depends on the machine.
        scaled.clip(_LOWEST, _HIGHEST, scaled)
        np.rint(scaled, scaled)
        return scaled.astype(_PCM).tobytes()[: self._made_bytes]

    def _furnish(self, total_bytes: int) -> None:
        """Make room for what is held and a piece; once, since a stream's pieces are mostly of one length."""
        groups = (total_bytes - self._history_bytes) // self._group_bytes
        rows = -(-groups // _BLOCK)
        window = len(self._matrix)
        # What a last, partial row lacks is silence, and what it makes is cut off.
        room = bytearray(max(total_bytes, self._history_bytes + rows * self._step_bytes))
        held = self._room[: self._held_bytes]
        self._room = memoryview(room)
        self._room[: len(held)] = held
        self._windows: NDArray[np.int16] = np.ndarray((rows, window), _PCM, room, 0, (self._step_bytes, 2))
        self._total_bytes = total_bytes
        self._used_bytes = groups * self._group_bytes
        self._made_bytes = 2 * groups * self._matrix.shape[1] // _BLOCK


class Upsampler(_Filter):
    """
    From 8000 Hz to ``rate_hz``: each sample makes its ``rate_hz / 8000`` at once.

    Raises:
        AudioError: the rate is none of 16000, 24000 and 48000.

    """

    def __init__(self, rate_hz: int) -> None:
        super().__init__(_up_matrix(_factor(rate_hz)), 1)


class Downsampler(_Filter):
    """
    From ``rate_hz`` to 8000 Hz: one sample for each ``rate_hz / 8000``; errors as ``Upsampler``.

    What does not make a whole output sample yet waits for the next piece.
    """

    def __init__(self, rate_hz: int) -> None:
        self._factor = _factor(rate_hz)
        super().__init__(_down_matrix(self._factor), self._factor)

    def finish(self) -> bytes:
        """Give what the filter still holds, once no more input will come."""
        return self.convert(bytes(2 * (len(_taps(self._factor)) // 2 + self._factor)))


@cache
def _taps(factor: int) -> NDArray[np.float64]:
    """The prototype at the higher rate; each of its phases adds up to about 1."""
    table = json.loads(files("bridge.audio").joinpath("resample_taps.json").read_text())
    return np.array(table[str(factor)], np.float64) / _ONE


@cache
def _up_matrix(factor: int) -> NDArray[np.float64]:
    phases = _taps(factor).reshape(-1, factor)[::-1]
    matrix = np.zeros((_BLOCK + len(phases) - 1, _BLOCK * factor))
    for index in range(_BLOCK):
        matrix[index : index + len(phases), index * factor : (index + 1) * factor] = phases
    return matrix


@cache
def _down_matrix(factor: int) -> NDArray[np.float64]:
    """The table holds multiples of 3 where 3 divides the factor, so the division loses nothing."""
    taps = _taps(factor)[::-1] / factor
    matrix = np.zeros(((_BLOCK - 1) * factor + len(taps), _BLOCK))
    for index in range(_BLOCK):
        matrix[index * factor : index * factor + len(taps), index] = taps
    return matrix


def _factor(rate_hz: int) -> int:
    if rate_hz not in RATES_HZ[1:]:
        raise AudioError(f"rate_hz is {rate_hz}: it must be one of 16000, 24000 and 48000")
    return rate_hz // PHONE_RATE_HZ
