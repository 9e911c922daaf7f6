"""Pre-roll and outbound audio: what the listeners of a call can still get, and what the phone hears."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bridge.audio.g711 import ulaw_silence


class PreRoll:
    """
    The last seconds of both tracks, for listeners that come late.

    Bound: ``limit_samples`` and one piece; policy: the oldest goes. Pieces are kept as they come.
    """

    def __init__(self, limit_samples: int) -> None:
        self._limit_samples = limit_samples
        # Both tracks in one ring, in turn: pairs would be objects for the garbage collector to look at.
        self._pieces: deque[bytes] = deque()
        self._samples = 0

    def add(self, inbound: bytes, outbound: bytes) -> None:
        """Keep what the phone said and, of the same length, what it heard."""
        pieces = self._pieces
        pieces.append(inbound)
        pieces.append(outbound)
        samples = self._samples + len(inbound)
        while samples - len(pieces[0]) >= self._limit_samples:
            samples -= len(pieces.popleft())
            pieces.popleft()
        self._samples = samples

    def audio(self) -> tuple[bytes, bytes]:
        """What is kept of the inbound and the outbound track."""
        pieces = list(self._pieces)
        return b"".join(pieces[::2]), b"".join(pieces[1::2])


class OutboundTrack:
    """
    What the phone hears, placed on the inbound track's own time.

    What is sent is heard after what was sent before it; the inbound frames that come meanwhile say how much
    of it has been heard. So no clock is needed and both tracks always have the same length. Where the phone
    was silent, a mark goes before the audio: its echo comes back between the inbound frames exactly where
    the phone begins to hear, however long both ways take.

    Bound: ``limit_samples``, for when no inbound frames come at all; policy: the oldest was heard and goes.

    Args:
        limit_samples: How much may wait.
        before_change: Called before anything but the next piece comes: all that was heard by then has to be
            taken first.

    Attributes:
        ahead_samples: How much was sent and not heard yet.
        book: Called before anything is taken: whatever was sent and not told yet is to be told.

    """

    def __init__(self, limit_samples: int, before_change: Callable[[], None]) -> None:
        self.ahead_samples = 0
        self.book: Callable[[], None] = lambda: None
        self._before_change = before_change
        self._limit_samples = limit_samples
        self._ahead: deque[bytes] = deque()
        self._awaited: str | None = None
        self._patience_samples = 0

    def heard(self, payload: bytes) -> None:
        """This was sent to the phone."""
        self._ahead.append(payload)
        self.ahead_samples += len(payload)
        while self.ahead_samples > self._limit_samples:
            self.ahead_samples -= len(self._ahead.popleft())

    def catch_up(self) -> None:
        """Take all that was heard by now; before anything is sent, or it would be placed too early."""
        self._before_change()

    def begins_at(self, mark: str) -> None:
        """What is sent from now on is heard from this mark's echo on; without one it is after a second."""
        self._before_change()
        self._awaited = mark
        self._patience_samples = _PATIENCE_SAMPLES

    def reached(self, mark: str) -> None:
        """A mark came back."""
        self._before_change()
        if mark == self._awaited:
            self._awaited = None

    def cut(self) -> None:
        """A ``clear`` was sent: what has not been heard by now never will be."""
        self._before_change()
        self._ahead.clear()
        self.ahead_samples = 0
        self._awaited = None

    def take(self, samples: int) -> bytes:
        """The next ``samples`` the phone heard, silence where nothing was sent."""
        self.book()
        ahead = self._ahead
        if not ahead or (self._awaited is not None and self._is_held(samples)):
            return _silence(samples)
        if len(ahead[0]) == samples:
            self.ahead_samples -= samples
            return ahead.popleft()
        pieces: list[bytes] = []
        missing = samples
        while missing and ahead:
            piece = ahead.popleft()
            if len(piece) > missing:
                ahead.appendleft(piece[missing:])
                piece = piece[:missing]
            pieces.append(piece)
            missing -= len(piece)
        self.ahead_samples -= samples - missing
        return b"".join((*pieces, ulaw_silence(missing)))

    def _is_held(self, samples: int) -> bool:
        self._patience_samples -= samples
        if self._patience_samples < 0:
            self._awaited = None  # a program that does not echo marks
        return self._awaited is not None


_PATIENCE_SAMPLES: Final = 8000
FRAME_SAMPLES: Final = 160

_silence: Final = lru_cache(64)(ulaw_silence)
"""One piece of silence for all calls that hear nothing."""
