"""Time, passed in: nothing else in the package reads a clock, so tests can turn it by hand."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the bridge needs to know about time."""

    def now_s(self) -> float:
        """Monotonic seconds; only differences mean anything."""
        ...

    def utc(self) -> datetime:
        """The wall clock, timezone-aware UTC; for records and signatures, never for media."""
        ...

    async def sleep_until_s(self, deadline_s: float) -> None:
        """Return once ``now_s()`` has reached ``deadline_s``; at once if it already has."""
        ...


class SystemClock:
    """The machine's own clocks."""

    now_s = staticmethod(time.monotonic)

    def utc(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until_s(self, deadline_s: float) -> None:
        await asyncio.sleep(max(0.0, deadline_s - time.monotonic()))
