"""How loud a piece of audio is."""

from __future__ import annotations

import math
from typing import Final

from bridge.audio.g711 import rms

SILENCE_DBFS: Final = -96.0
"""Reported for digital silence: below the smallest 16-bit value."""


def level_dbfs(pcm: bytes) -> float:
    """
    The RMS level of PCM16 in dB relative to a full-scale square wave; 0 is the loudest possible.

    Empty audio and digital silence are ``SILENCE_DBFS``.
    """
    value = rms(pcm)
    return max(SILENCE_DBFS, 20 * math.log10(value / 32768)) if value else SILENCE_DBFS
