"""
A call that the application placed: its turn, the dialling, the ringing, and how that can end.

Source: https://www.twilio.com/docs/voice/api/call-resource#call-status-values.
"""

from __future__ import annotations

from typing import Final

from bridge.carrier.call.call import CarrierCall, Status
from bridge.carrier.call.conversation import Conversation
from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.race import first_of
from bridge.carrier.phone.leg import Answer, DialResult, Leg

_ENDS: Final[dict[DialResult, Status]] = {
    "busy": "busy",
    # A declined call (603) is a busy signal to the caller; that Twilio calls it so too is unverified.
    "declined": "busy",
    "no-answer": "no-answer",
    "unreachable": "failed",
}
_TIMED_OUT: Final = Answer("no-answer", 487)


async def run_placed_call(call: CarrierCall, leg: Leg | None, equipment: Equipment) -> None:
    """
    Dial, and talk if somebody answers.

    Args:
        call: Queued, and its turn has come.
        leg: The phone it is for; ``None`` if there is none: the call fails with SIP status 404.
        equipment: What it uses.

    """
    call.started = equipment.clock.utc()
    equipment.callbacks.call_event(call, "initiated")
    if leg is None:
        finish(call, "failed", equipment, sip_status=404)
        return
    answer = await _dial(call, leg, equipment)
    if answer is None:
        finish(call, "canceled", equipment, sip_status=487)
    elif answer.result == "answered":
        await _talk(call, leg, equipment)
    else:
        finish(call, _ENDS[answer.result], equipment, sip_status=answer.sip_status)


async def _dial(call: CarrierCall, leg: Leg, equipment: Equipment) -> Answer | None:
    """Ring until something happens; ``None`` if somebody asked for the call's end meanwhile."""

    def ringing() -> None:
        if call.status == "queued":
            call.move("ringing", equipment.clock.utc())
            equipment.callbacks.call_event(call, "ringing")

    async def asked() -> None:
        await call.orders.end.wait()

    async def timed_out() -> Answer:
        await equipment.clock.sleep_until_s(equipment.clock.now_s() + call.request.timeout_s)
        return _TIMED_OUT

    answer: Answer | None = None
    try:
        _, answer = await first_of(asked=asked(), dialled=leg.dial(ringing), timed_out=timed_out())
        return answer
    finally:
        if answer is None or answer.result != "answered":
            await leg.hang_up()


async def _talk(call: CarrierCall, leg: Leg, equipment: Equipment) -> None:
    conversation = Conversation(call, leg, equipment)
    try:
        await conversation.answer()
        _detect_machine(call, equipment)
        await conversation.run()
    finally:
        await leg.hang_up()
        finish(call, "completed", equipment)


def _detect_machine(call: CarrierCall, equipment: Equipment) -> None:
    """Answer what machine detection was asked with the one honest result there is here."""
    detection = call.request.machine_detection
    if detection is None:
        return
    call.warn(None, "machine detection is not done by the local carrier: it answers unknown at once")
    call.answered_by = "unknown"
    if detection.async_url is not None:
        equipment.callbacks.machine_detected(call, detection.async_url, detection.async_method, "unknown")


def finish(call: CarrierCall, status: Status, equipment: Equipment, *, sip_status: int | None = None) -> None:
    """End a call that has not ended yet, and tell who asked to be told."""
    if call.over:
        return
    if sip_status is not None:
        call.sip_status = sip_status
    call.move(status, equipment.clock.utc())
    equipment.callbacks.call_event(call, "completed")
    call.finished.set()
