"""What the carrier asks of a phone, whatever it is made of: WAV files now, SIP and browsers later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

DialResult = Literal["answered", "busy", "declined", "no-answer", "unreachable"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How dialling ended: the result and the SIP status that says so (200, 486, 603, 487, 404 …)."""

    result: DialResult
    sip_status: int


class Leg(Protocol):
    """
    One carrier-side phone in one call.

    Audio is pulled and pushed once per 20 ms by the carrier's ticker, synchronously: ``speak`` gives
    what the phone says, ``hear`` takes what it is to hear. Both are frames of 160 bytes of μ-law.

    ``hear`` is called for every frame from the answer to the end of the call, ``speak`` only while
    somebody listens (a media stream is open). A phone with a live source therefore keeps no more than
    its newest few frames; a phone that reads from a file waits, and loses no word to a greeting.
    """

    async def dial(self, ringing: Callable[[], None]) -> Answer:
        """Ring the phone until it answers or refuses; call ``ringing`` when it rings. Cancel to stop."""
        ...

    def speak(self) -> bytes:
        """The next 20 ms the phone says; silence (0xFF) when it says nothing."""
        ...

    def hear(self, payload: bytes) -> None:
        """The next 20 ms the phone hears."""
        ...

    def digits(self) -> str:
        """Digits pressed since the last call of this method."""
        ...

    async def hung_up(self) -> None:
        """Return when the phone has hung up by itself."""
        ...

    async def hang_up(self) -> None:
        """End the call toward the phone and free what it holds; safe to call twice."""
        ...
