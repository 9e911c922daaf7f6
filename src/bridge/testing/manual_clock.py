"""A clock turned by hand."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count


class ManualClock:
    """A ``Clock`` that stands still until ``advance`` turns it."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._now_s = 0.0
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now_s(self) -> float:
        return self._now_s

    def utc(self) -> datetime:
        return self._start + timedelta(seconds=self._now_s)

    async def sleep_until_s(self, deadline_s: float) -> None:
        if deadline_s <= self._now_s:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (deadline_s, next(self._order), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Turn the clock, waking every sleeper at its own time, and let what they started run."""
        end_s = self._now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s + 1e-9:
            deadline_s, _, waiter = heapq.heappop(self._sleepers)
            self._now_s = max(self._now_s, deadline_s)
            if not waiter.done():
                waiter.set_result(None)
            await settle()
        self._now_s = end_s
        await settle()


async def settle(rounds: int = 20) -> None:
    """Let every task that is ready run until it waits."""
    for _ in range(rounds):
        await asyncio.sleep(0)
