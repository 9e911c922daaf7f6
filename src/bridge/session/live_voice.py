"""A live source on its way to the phone, the shortest way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from bridge.session.segment import Segment

_NO_CREDIT: Final = float("-inf")
_DRY_AFTER_S: Final = 0.020
_BOOKS_AFTER_S: Final = 1.0
_S_PER_SAMPLE: Final = 1 / 8000


class Payer(Protocol):
    """Who gives credit and keeps the books; the playout."""

    lead_s: float

    def grant(self, voice: LiveVoice) -> float | None:
        """When the phone will have heard all that was sent; the voice may send what follows, or ``None``."""
        ...

    def booked(self, segment: Segment, payload: bytes, last_s: float) -> None:
        """This was sent piece by piece, the last of it at ``last_s``."""
        ...

    def release(self) -> None:
        """Send what is queued and may go."""
        ...


class LiveVoice:
    """
    Sends each piece where it comes, as long as that keeps within the lead and the phone has not run dry.

    What that means for the ledger is told for several pieces at once: after a second, or when anybody
    looks. What may not be sent is queued as all audio is, the oldest dropped beyond the segment's bound.

    Args:
        segment: What is played.
        payer: Gives the credit.
        send: Sends one message; false where the peer reads too slowly.
        encode: Makes the message of a piece.
        now_s: The clock.

    """

    # fmt: off
    __slots__ = (
        "_books_at_s", "_encode", "_ends_s", "_last_s", "_lead_s", "_now_s", "_payer", "_send", "_unbooked",
        "segment",
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
        self._lead_s: Final = payer.lead_s
        self._send: Final = send
        self._encode: Final = encode
        self._now_s: Final = now_s
        self._last_s = 0.0
        self._ends_s = self._books_at_s = _NO_CREDIT
        self._unbooked: list[bytes] = []

    def pass_on(self, payload: bytes) -> None:
        """Play the next piece."""
        now_s = self._now_s()
        duration_s = len(payload) * _S_PER_SAMPLE
        if self._ends_s < now_s - _DRY_AFTER_S or now_s > self._books_at_s:
            self.book()
        ends_s = self._ends_s + duration_s
        if now_s < ends_s <= now_s + self._lead_s:
            self._ends_s = ends_s
            self._last_s = now_s
            self._unbooked.append(payload)
            if not self._send(self._encode(payload)):
                self._ends_s = _NO_CREDIT
            return
        self.book()
        self.segment.put(payload)
        self._payer.release()
        self.segment.trim()
        self._renew()

    def book(self) -> None:
        """Tell what was sent and not told yet, and ask for new credit."""
        self._ends_s = _NO_CREDIT
        if self._unbooked:
            payload = b"".join(self._unbooked)
            self._unbooked.clear()
            self._payer.booked(self.segment, payload, self._last_s)
            self._renew()

    def _renew(self) -> None:
        ends_s = self._payer.grant(self)
        if ends_s is not None:
            self._ends_s, self._books_at_s = ends_s, self._now_s() + _BOOKS_AFTER_S
