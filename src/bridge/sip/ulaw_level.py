"""What the jitter buffer must know of μ-law (ITU-T G.711, table 2): half of each value, and what is quiet."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

SILENCE_BYTE: Final = 0xFF


def _value(code: int) -> int:
    """Decode one byte to the 14-bit scale of the Recommendation, without the sign."""
    inverted = ~code & 0x7F
    return ((2 * (inverted & 0x0F) + 33) << (inverted >> 4)) - 33


_CODES: Final = sorted(range(0x80, 0x100), key=_value)
_VALUES: Final = [_value(code) for code in _CODES]


def _nearest(value: float) -> int:
    at = min(bisect_left(_VALUES, value), len(_VALUES) - 1)
    return _CODES[at - 1] if at and value - _VALUES[at - 1] < _VALUES[at] - value else _CODES[at]


HALVED: Final = bytes(_nearest(_value(code) / 2) & (0x7F | (code & 0x80)) for code in range(256))
"""Table for ``bytes.translate``: every sample 6 dB lower."""

QUIET: Final = bytes(code for code in range(256) if _value(code) <= 80)
"""The samples below about -40 dBFS."""


def is_quiet(payload: bytes | bytearray) -> bool:
    """Whether there is nothing to hear in it."""
    return not payload.translate(None, QUIET)
