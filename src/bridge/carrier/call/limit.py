"""How long an answered call may last."""

from __future__ import annotations

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.race import first_of
from bridge.clock import Clock


async def time_is_up(call: CarrierCall, clock: Clock) -> None:
    """Return when a call answered just now has lasted as long as it may, which an update can change."""
    answered_s = clock.now_s()
    while True:
        call.orders.limit_changed.clear()
        deadline_s = answered_s + call.request.time_limit_s
        name, _ = await first_of(
            changed=call.orders.limit_changed.wait(), limit=clock.sleep_until_s(deadline_s)
        )
        if name == "limit":
            call.warn(None, f"ended after its time limit of {call.request.time_limit_s:g} s")
            return
