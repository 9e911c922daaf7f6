"""
A call that a phone made to the application: it rings while the voice webhook is asked what to do with it.

Source: https://www.twilio.com/docs/voice/twiml: ``CallStatus`` is ``ringing`` at the first request, and the
first verb other than ``<Reject>``, ``<Redirect>`` or ``<Pause>`` answers.
"""

from __future__ import annotations

from typing import Final, Protocol

from bridge.carrier.call.call import CarrierCall, Status
from bridge.carrier.call.conversation import Conversation
from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.ring import finish
from bridge.carrier.call.step import Verdict
from bridge.carrier.phone.leg import Leg

_REFUSED: Final[dict[Verdict, tuple[Status, int]]] = {"busy": ("busy", 486), "no-answer": ("no-answer", 404)}
"""``<Reject>``: the resource's status, and the SIP status a SIP caller sees."""


class IncomingLeg(Leg, Protocol):
    """A phone that calls: besides what every phone does it can be told what became of its call."""

    async def answered(self) -> None:
        """Learn that the call was answered; audio flows from here on."""
        ...

    async def refused(self, sip_status: int) -> None:
        """Learn that it was not; frees what the phone holds, as ``hang_up`` does."""
        ...


async def run_incoming_call(call: CarrierCall, leg: IncomingLeg, equipment: Equipment) -> None:
    """Let the application decide about a call, and run what it says."""
    call.started = equipment.clock.utc()
    call.move("ringing", call.started)
    conversation = Conversation(call, leg, equipment, pick_up=leg.answered)
    verdict: Verdict = "hang-up"
    try:
        verdict = await conversation.run()
    finally:
        await _finish(call, leg, verdict, equipment)


async def _finish(call: CarrierCall, leg: IncomingLeg, verdict: Verdict, equipment: Equipment) -> None:
    if call.answered is not None:
        await leg.hang_up()
        finish(call, "completed", equipment)
        return
    # Never answered: refused by <Reject>, given up by the caller, or ended from outside.
    status, sip_status = _REFUSED.get(verdict, ("canceled" if call.orders.end.is_set() else "no-answer", 487))
    await leg.refused(sip_status)
    finish(call, status, equipment, sip_status=sip_status)
