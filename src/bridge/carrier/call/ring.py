"""
Ringing a phone, and how that can end.

Source: https://www.twilio.com/docs/voice/api/call-resource#call-status-values.
"""

from __future__ import annotations

from typing import Final

from bridge.carrier.call.call import CarrierCall, Status
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


async def ring(call: CarrierCall, leg: Leg, equipment: Equipment) -> Answer | None:
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


def end_unanswered(call: CarrierCall, answer: Answer | None, equipment: Equipment) -> None:
    """End a call that nobody took: as its phone said, or canceled where that was ``None``."""
    if answer is None:
        finish(call, "canceled", equipment, sip_status=487)
    else:
        finish(call, _ENDS[answer.result], equipment, sip_status=answer.sip_status)


def finish(call: CarrierCall, status: Status, equipment: Equipment, *, sip_status: int | None = None) -> None:
    """End a call that has not ended yet, and tell who asked to be told."""
    if call.over:
        return
    if sip_status is not None:
        call.sip_status = sip_status
    call.move(status, equipment.clock.utc())
    equipment.callbacks.call_event(call, "completed")
    call.finished.set()
