"""One schedule for all calls of a process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from bridge.testing import ManualClock
from bridge.ticker import Ticker


class WatchedClock(ManualClock):
    """Counts how often somebody has slept; can jump."""

    sleeps = 0

    async def sleep_until_s(self, due_s: float) -> None:
        self.sleeps += 1
        await super().sleep_until_s(due_s)

    def jump(self, seconds: float) -> None:
        """So much time passes in which nobody can run."""
        self._now_s += seconds


class Stage:
    """A ticker and a clock turned by hand."""

    def __init__(self) -> None:
        self.clock = WatchedClock()
        self.ticker = Ticker(self.clock)
        self.called: list[tuple[float, object]] = []

    def call(self, who: object) -> None:
        self.called.append((round(self.clock.now_s() * 1000, 3), who))

    async def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.005)):
            await self.clock.advance(0.005)


@asynccontextmanager
async def running() -> AsyncIterator[Stage]:
    stage = Stage()
    task = asyncio.create_task(stage.ticker.run())
    await asyncio.sleep(0)
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_members_are_called_every_20_ms_spread_over_slots_of_5() -> None:
    async with running() as stage:
        for who in range(8):
            stage.ticker.add(partial(stage.call, who))
        await stage.pass_s(1)
    times = Counter(at_ms for at_ms, _ in stage.called)
    assert set(times.values()) == {2}, "eight members, four slots"
    assert all(47 <= count <= 50 for count in Counter(who for _, who in stage.called).values())


async def test_who_left_is_not_called_and_nothing_wakes_up_for_nobody() -> None:
    async with running() as stage:
        leave = [stage.ticker.add(partial(stage.call, who)) for who in range(2)]
        await stage.pass_s(0.4)
        for leaving in leave:
            leaving()
        await stage.pass_s(0.02)
        stage.called.clear()
        sleeps = stage.clock.sleeps
        await stage.pass_s(1)
        assert (stage.called, stage.clock.sleeps) == ([], sleeps)


async def test_one_members_fault_ends_its_own_membership_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("a fault")

    async with running() as stage:
        stage.ticker.add(fail)
        for who in range(4):  # one of them in the same slot
            stage.ticker.add(partial(stage.call, who))
        await stage.pass_s(1)
    assert all(count >= 47 for count in Counter(who for _, who in stage.called).values())
    assert caplog.text.count("RuntimeError: a fault") == 1


async def test_a_long_standstill_starts_the_schedule_anew() -> None:
    async with running() as stage:
        stage.ticker.add(partial(stage.call, "member"))
        await stage.pass_s(0.1)
        stage.clock.jump(1)
        await stage.pass_s(0.1)
        assert stage.ticker.restarts == 0
        assert 58 <= len(stage.called) <= 61, "what was missed is made good at once"
        stage.clock.jump(10)
        await stage.pass_s(0.1)
        assert stage.ticker.restarts == 1
        assert 62 <= len(stage.called) <= 68, "after ten seconds it is not"
