"""What was sent and not heard yet: the estimate behind ``played_ms`` and behind every ``clear``."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from bridge.session.segment import Segment

RATE_HZ: Final = 8000


class Piece(msgspec.Struct):
    """
    Audio of one segment without a pause.

    Attributes:
        segment: Whose it is.
        starts_s: When the phone is expected to begin hearing it.
        ends_s: When it will have heard it.
        payload: The audio itself where it may have to be sent again, else empty.

    """

    segment: Segment
    starts_s: float
    ends_s: float
    payload: bytes = b""

    @property
    def samples(self) -> int:
        """How much it is."""
        return round((self.ends_s - self.starts_s) * RATE_HZ)


class Ledger:
    """
    The audio in flight, in the order in which it will be heard.

    Attributes:
        ends_s: When the phone will have heard all of it, on the clock whose times the methods are given.

    """

    def __init__(self) -> None:
        self.ends_s = 0.0
        self._in_flight: deque[Piece] = deque()
        self._last: Piece | None = None

    def send(self, segment: Segment, payload: bytes, now_s: float) -> None:
        """This was sent; it is heard after everything before it."""
        samples = len(payload)
        segment.sent_samples += samples
        starts_s = self.ends_s
        self.ends_s = ends_s = starts_s + samples / RATE_HZ
        last = self._last
        if last is not None and last.segment is segment and last.ends_s == starts_s and segment.interruptible:
            last.ends_s = ends_s  # a live source stays one piece, however long it talks
            return
        self.settle(now_s)
        self._last = Piece(segment, starts_s, ends_s, b"" if segment.interruptible else payload)
        self._in_flight.append(self._last)

    def settle(self, now_s: float) -> None:
        """Move the pieces the phone must have heard by now from sent to played."""
        while self._in_flight:
            piece = self._in_flight[0]
            if piece.ends_s > now_s:
                return
            piece.segment.played_samples += piece.samples
            self._in_flight.popleft()
        self._last = None

    def settle_exactly(self, now_s: float) -> None:
        """The same, to the sample: the piece being heard is split."""
        self.settle(now_s)
        if self._in_flight:
            piece = self._in_flight[0]
            samples = max(0, round((now_s - piece.starts_s) * RATE_HZ))
            piece.segment.played_samples += samples
            piece.payload = piece.payload[samples:]
            piece.starts_s += samples / RATE_HZ

    def cut(self, now_s: float) -> list[Piece]:
        """Nothing more of it will be heard; gives what that concerns, in order."""
        self.settle_exactly(now_s)
        lost = list(self._in_flight)
        self._in_flight.clear()
        self._last = None
        self.ends_s = now_s
        return lost

    def forget(self, segment: Segment) -> None:
        """A mark's echo says more than the estimate: this segment was heard to its end."""
        self._in_flight = deque(piece for piece in self._in_flight if piece.segment is not segment)
        self._last = None
