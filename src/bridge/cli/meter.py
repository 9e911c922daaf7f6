"""A level meter in one line of the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TextIO

import numpy as np

from bridge.audio.level import level_dbfs

_LOWEST_DBFS: Final = -60
_CELLS: Final = 20
NAMES: Final[dict[str, Sequence[str]]] = {
    "inbound": ("phone",),
    "outbound": ("heard",),
    "both": ("phone", "heard"),
}
"""What the channels of a track are: what the phone says, and what it hears."""


def bar(level: float) -> str:
    """Draw a level in dBFS: −60 is empty, 0 is full."""
    full = round((max(level, _LOWEST_DBFS) - _LOWEST_DBFS) / -_LOWEST_DBFS * _CELLS)
    return "█" * full + "·" * (_CELLS - full)


def line(elapsed_ms: float, levels: Sequence[tuple[str, float]], lost_ms: int) -> str:
    """Write the meter: time, one bar for each channel, and what was lost."""
    minutes, seconds = divmod(int(elapsed_ms) // 1000, 60)
    bars = "  ".join(f"{name} {bar(level)} {round(level):4} dBFS" for name, level in levels)
    return f"{minutes:02}:{seconds:02}  {bars}  lost {lost_ms} ms"


class Meter:
    """
    Shows how loud a call is, and counts.

    Args:
        terminal: Where; each line replaces the one before.
        track: Names the channels.
        rate_hz: Of the audio.

    Attributes:
        elapsed_ms: How much audio came, with what was lost.
        lost_ms: What was lost.

    """

    def __init__(self, terminal: TextIO, *, track: str, rate_hz: int) -> None:
        self.elapsed_ms = 0.0
        self.lost_ms = 0
        self._names: Final = NAMES[track]
        self._rate_hz: Final = rate_hz
        self._terminal = terminal
        self._is_shown: Final = terminal.isatty()

    def take(self, pcm: bytes, dropped_ms: int) -> None:
        """Count a piece, and show it where somebody looks."""
        samples = np.frombuffer(pcm, "<i2").reshape(-1, len(self._names))
        self.elapsed_ms += len(samples) * 1000 / self._rate_hz + dropped_ms
        self.lost_ms += dropped_ms
        if self._is_shown:
            levels = [
                (name, level_dbfs(samples[:, channel].tobytes())) for channel, name in enumerate(self._names)
            ]
            # CSI K (ECMA-48 section 8.3.41) takes away what a longer line has left.
            self._terminal.write(f"\r{line(self.elapsed_ms, levels, self.lost_ms)}\x1b[K")
            self._terminal.flush()

    def close(self) -> None:
        """Say what it was in all."""
        end = "\n" if self._is_shown and self.elapsed_ms else ""
        self._terminal.write(f"{end}Heard {self.elapsed_ms / 1000:.1f} s, lost {self.lost_ms} ms.\n")
        self._terminal.flush()
