from __future__ import annotations

import asyncio

from bridge.carrier.call.turnstile import Turnstile
from tests.carrier.media_stage import ManualClock, settle


async def test_calls_leave_at_the_rate_and_in_order() -> None:
    clock = ManualClock()
    turnstile = Turnstile(2.0, clock)
    waited: list[tuple[int, int]] = []

    async def caller(number: int) -> None:
        waited.append((number, await turnstile.turn()))

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(caller(number))
        await settle()
        assert waited == [(0, 0)]
        await clock.advance(0.5)
        assert waited == [(0, 0), (1, 500)]
        await clock.advance(1.0)
    assert waited == [(0, 0), (1, 500), (2, 1000), (3, 1500)]
    await clock.advance(10.0)
    assert await turnstile.turn() == 0  # idle time is not saved up
    async with asyncio.TaskGroup() as group:
        second = group.create_task(turnstile.turn())
        await settle()
        assert not second.done()
        await clock.advance(0.5)


async def test_without_a_rate_nobody_waits() -> None:
    turnstile = Turnstile(None, ManualClock())
    assert [await turnstile.turn() for _ in range(5)] == [0] * 5
