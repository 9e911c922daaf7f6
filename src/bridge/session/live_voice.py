"""A live source on its way to the phone, the shortest way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from bridge.session.segment import Segment


class Payer(Protocol):
    """Who gives credit and keeps the books; the playout."""

    def credit_samples(self, voice: LiveVoice) -> int:
        """How much this voice may send before it asks again."""
        ...

    def booked(self, segment: Segment, payload: bytes, last_s: float) -> None:
        """This was sent piece by piece, the last of it at ``last_s``."""
        ...

    def release(self) -> None:
        """Send what is queued and may go."""
        ...


class LiveVoice:
    """
    Sends each piece where it comes, while there is credit.

    What that means for the ledger is told for several pieces at once, when the credit is used up or anybody
    looks. Without credit a piece is queued as all audio is, the oldest dropped beyond the segment's bound.

    Args:
        segment: What is played.
        payer: Gives the credit.
        send: Sends one message; false where the peer reads too slowly.
        encode: Makes the message of a piece.
        now_s: The clock.

    """

    # fmt: off
    __slots__ = (
        "_credit_samples", "_encode", "_last_s", "_now_s", "_payer", "_send", "_unbooked", "segment",
    )
    # fmt: on

    def __init__(
        self,
        segment: Segment,
        payer: Payer,
        *,
        send: Callable[[bytes], bool],
        encode: Callable[[bytes], bytes],
        now_s: Callable[[], float],
    ) -> None:
        self.segment: Final = segment
        self._payer: Final = payer
        self._send: Final = send
        self._encode: Final = encode
        self._now_s: Final = now_s
        self._last_s = 0.0
        self._credit_samples = 0
        self._unbooked: list[bytes] = []

    def pass_on(self, payload: bytes) -> None:
        """Play the next piece."""
        samples = len(payload)
        if samples > self._credit_samples:
            self.book()
        if samples <= self._credit_samples:
            self._credit_samples -= samples
            self._unbooked.append(payload)
            self._last_s = self._now_s()
            if not self._send(self._encode(payload)):
                self._credit_samples = 0
            return
        self.segment.put(payload)
        self._payer.release()
        self.segment.trim()
        self._credit_samples = self._payer.credit_samples(self)

    def book(self) -> None:
        """Tell what was sent and not told yet, and ask for new credit."""
        self._credit_samples = 0
        if self._unbooked:
            payload = b"".join(self._unbooked)
            self._unbooked.clear()
            self._payer.booked(self.segment, payload, self._last_s)
            self._credit_samples = self._payer.credit_samples(self)
