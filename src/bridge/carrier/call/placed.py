"""A call that the application placed: from its turn to dial to its end."""

from __future__ import annotations

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.conversation import Conversation
from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.ring import end_unanswered, finish, ring
from bridge.carrier.phone.leg import Leg


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
    answer = await ring(call, leg, equipment)
    if answer is not None and answer.result == "answered":
        await _talk(call, leg, equipment)
    else:
        end_unanswered(call, answer, equipment)


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
