"""A simulated caller: a WAV phone that calls in, and listens for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.carrier.phone.leg import Answer
from bridge.carrier.phone.wav_phone import WavPhone
from bridge.carrier.simulation.echo import EchoEar
from bridge.clock import Clock


class SimulatedCaller:
    """
    An ``IncomingLeg``.

    Args:
        spoken: What it says, μ-law at 8 kHz.
        clock: For the phone.
        hang_up_after_s: How long after its last word it hangs up.

    Attributes:
        ear: What it said and heard.

    """

    def __init__(self, spoken: bytes, *, clock: Clock, hang_up_after_s: float) -> None:
        self.ear: Final = EchoEar()
        self._phone = WavPhone(spoken, clock=clock, ring_s=0, hang_up_after_s=hang_up_after_s)

    async def dial(self, ringing: Callable[[], None]) -> Answer:
        return await self._phone.dial(ringing)

    def speak(self) -> bytes:
        self.ear.said()
        return self._phone.speak()

    def hear(self, payload: bytes) -> None:
        self.ear.heard(payload)

    def digits(self) -> str:
        return self._phone.digits()

    async def hung_up(self) -> None:
        await self._phone.hung_up()

    async def hang_up(self) -> None:
        await self._phone.hang_up()

    async def answered(self) -> None:
        """Nothing to do: it begins to speak when somebody listens."""

    async def refused(self, sip_status: int) -> None:  # noqa: ARG002  (a file does not care why)
        await self._phone.hang_up()
