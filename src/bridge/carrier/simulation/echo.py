"""
How long a phone waits to hear itself: pieces of what it said, found again in what it heard.

An echo that only decodes and encodes μ-law gives back the same bytes, so every piece of speech is a marker
and is found to the sample. Where nothing is found the sound was changed on its way; then the first loud frame
after the first loud one said stands for the round trip.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from bridge.audio.g711 import FRAME_BYTES, decode_ulaw
from bridge.audio.level import level_dbfs

MAX_HEARD_BYTES: Final = 10 * 60 * 8000
"""Longest time listened to per call: ten minutes."""

_SPEECH_DBFS: Final = -35.0
_BYTES_PER_MS: Final = 8
_ONE_ZERO: Final = bytes.maketrans(b"\x7f", b"\xff")
"""μ-law has two zeros; coding them anew makes both the positive one."""


@dataclass(frozen=True, slots=True)
class Echo:
    """
    What one call heard of itself.

    Attributes:
        round_trips_ms: One per marker found, in the order said.
        lost: Markers said that were never heard.
        gaps: How often the echo fell behind: silence was heard inside what was said.
        gap_ms: How much, together.
        exact: Whether markers were found; otherwise the one round trip is of the first sound.

    """

    round_trips_ms: tuple[float, ...] = ()
    lost: int = 0
    gaps: int = 0
    gap_ms: float = 0.0
    exact: bool = True


class Markers:
    """
    The pieces of speech that are looked for: every fifth frame that is loud and occurs only once.

    Args:
        spoken: What every phone says, μ-law at 8 kHz.

    """

    def __init__(self, spoken: bytes) -> None:
        said = spoken.translate(_ONE_ZERO)
        loud = [
            frame
            for frame in range(len(said) // FRAME_BYTES)
            if level_dbfs(decode_ulaw(_frame(said, frame))) > _SPEECH_DBFS
        ]
        self._first_loud = loud[0] if loud else None
        self._frames: Final = {
            frame: _frame(said, frame) for frame in loud[::5] if said.count(_frame(said, frame)) == 1
        }

    def find(self, said_at: list[int], heard: bytes) -> Echo:
        """
        Look for the markers in what one phone heard.

        Args:
            said_at: For each frame said, in order, the position in ``heard`` at that moment.
            heard: Everything heard, μ-law at 8 kHz.

        """
        heard = heard.translate(_ONE_ZERO)
        trips_ms: list[float] = []
        lost = 0
        for frame, marker in self._frames.items():
            if frame >= len(said_at):
                break
            at = heard.find(marker, said_at[frame])
            if at < 0:
                lost += 1
            else:
                trips_ms.append((at - said_at[frame]) / _BYTES_PER_MS)
        if not trips_ms:
            return self._by_onset(said_at, heard)
        later_ms = [after - before for before, after in pairwise(trips_ms) if after > before]
        return Echo(tuple(trips_ms), lost, len(later_ms), sum(later_ms))

    def _by_onset(self, said_at: list[int], heard: bytes) -> Echo:
        if self._first_loud is None or self._first_loud >= len(said_at):
            return Echo(exact=False)
        start = said_at[self._first_loud]
        for at in range(start, len(heard) - FRAME_BYTES + 1, FRAME_BYTES):
            if level_dbfs(decode_ulaw(heard[at : at + FRAME_BYTES])) > _SPEECH_DBFS:
                return Echo(((at - start) / _BYTES_PER_MS,), exact=False)
        return Echo(exact=False)


class EchoEar:
    """Keeps what one phone said and heard until the call is over."""

    def __init__(self) -> None:
        self._said_at: list[int] = []
        self._heard = bytearray()

    def said(self) -> None:
        """Note that a frame is said now."""
        if len(self._heard) < MAX_HEARD_BYTES:
            self._said_at.append(len(self._heard))

    def heard(self, payload: bytes) -> None:
        """Take a frame that is heard now."""
        if len(self._heard) < MAX_HEARD_BYTES:
            self._heard += payload

    def echo(self, markers: Markers) -> Echo:
        """Look for the markers, and forget what was heard."""
        echo = markers.find(self._said_at, bytes(self._heard))
        self._said_at.clear()
        self._heard.clear()
        return echo


def _frame(payload: bytes, frame: int) -> bytes:
    return payload[frame * FRAME_BYTES : (frame + 1) * FRAME_BYTES]
