"""What was sent and not heard yet: the estimate behind ``played_ms`` and behind every ``clear``."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

from bridge.session.segment import Segment

RATE_HZ: Final = 8000
_SETTLE_ABOVE: Final = 64


class Piece(msgspec.Struct):
    """One message's audio; ``starts_s`` is when the phone is expected to begin hearing it."""

    segment: Segment
    payload: bytes
    starts_s: float


class Ledger:
    """
    The audio in flight, in the order in which it will be heard.

    Attributes:
        ends_s: When the phone will have heard all of it, on the clock whose times the methods are given.

    """

    def __init__(self) -> None:
        self.ends_s = 0.0
        self._in_flight: deque[Piece] = deque()

    def send(self, segment: Segment, payload: bytes, now_s: float) -> None:
        """This was sent; it is heard after everything before it."""
        samples = len(payload)
        in_flight = self._in_flight
        segment.sent_samples += samples
        in_flight.append(Piece(segment, payload, self.ends_s))
        self.ends_s += samples / RATE_HZ
        if len(in_flight) > _SETTLE_ABOVE:
            # All but the lead was heard long ago; settling at every frame would cost as much as sending it.
            self.settle(now_s)

    def settle(self, now_s: float) -> None:
        """Move the pieces the phone must have heard by now from sent to played."""
        while self._in_flight:
            piece = self._in_flight[0]
            if piece.starts_s + len(piece.payload) / RATE_HZ > now_s:
                break
            piece.segment.played_samples += len(piece.payload)
            self._in_flight.popleft()

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
        self.ends_s = now_s
        return lost

    def forget(self, segment: Segment) -> None:
        """A mark's echo says more than the estimate: this segment was heard to its end."""
        self._in_flight = deque(piece for piece in self._in_flight if piece.segment is not segment)
