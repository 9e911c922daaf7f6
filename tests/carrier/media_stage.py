"""What the media half's tests share: a clock turned by hand, and a phone that only listens and counts."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from random import Random

from bridge.carrier.phone.leg import Answer
from bridge.ticker import Ticker

FRAME_S = 0.02


def seeded(seed: int) -> Random:
    """The same jitter each time."""
    return Random(seed)  # noqa: S311  (no secret depends on it)


async def settle(rounds: int = 10) -> None:
    """Let every task that can run do so."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class ManualClock:
    """Time that moves when ``advance`` says so, waking sleepers in their order."""

    def __init__(self) -> None:
        self._now_s = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_s(self) -> float:
        return self._now_s

    def utc(self) -> datetime:
        return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=self._now_s)

    async def sleep_until_s(self, deadline_s: float) -> None:
        if deadline_s <= self._now_s:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (deadline_s, self._count, waiting))
        await waiting

    async def advance(self, seconds: float) -> None:
        """Move on by this much, letting everything that wakes run at its own time."""
        end_s = self._now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s + 1e-9:
            deadline_s, _, waiting = heapq.heappop(self._sleepers)
            self._now_s = max(self._now_s, deadline_s)
            if not waiting.done():
                waiting.set_result(None)
                await settle()
        self._now_s = max(self._now_s, end_s)


@asynccontextmanager
async def ticking(clock: ManualClock) -> AsyncIterator[Ticker]:
    """A real ticker on a clock turned by hand; ``advance(0.02)`` is one frame for every member."""
    ticker = Ticker(clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(ticker.run())
        await settle()
        await clock.advance(0.001)  # past the slots due at the very start
        try:
            yield ticker
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


class ScriptedLeg:
    """A phone that says numbered frames, presses what it is told and keeps what it hears."""

    def __init__(self) -> None:
        self.spoken = 0
        self.heard: list[bytes] = []
        self.pressed = ""

    async def dial(self, ringing: Callable[[], None]) -> Answer:
        ringing()
        return Answer("answered", 200)

    def speak(self) -> bytes:
        self.spoken += 1
        return bytes([self.spoken % 256]) * 160

    def hear(self, payload: bytes) -> None:
        self.heard.append(payload)

    def digits(self) -> str:
        pressed, self.pressed = self.pressed, ""
        return pressed

    async def hung_up(self) -> None:
        await asyncio.Event().wait()

    async def hang_up(self) -> None:
        return
