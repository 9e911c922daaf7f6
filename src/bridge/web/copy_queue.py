"""Callbacks' copies on their way, behind the answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

log = logging.getLogger(__name__)

_MAX_COPIES: Final = 1000


class CopyQueue:
    """
    Sends callbacks' copies behind the answers, so that a slow receiver never delays Twilio.

    Bound: 1,000 wait; policy: a further one is dropped and logged.
    """

    def __init__(self) -> None:
        self._waiting: deque[Awaitable[Any]] = deque()
        self._tasks: asyncio.TaskGroup | None = None

    def put(self, copy: Callable[[], Awaitable[Any]]) -> None:
        """Start a copy."""
        if self._tasks is None or len(self._waiting) >= _MAX_COPIES:
            log.warning("a callback's copy was dropped: %d are under way", len(self._waiting))
            return
        one = self._run(copy)
        self._waiting.append(one)
        self._tasks.create_task(one)

    async def _run(self, copy: Callable[[], Awaitable[Any]]) -> None:
        try:
            await copy()
        finally:
            self._waiting.popleft()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send copies while the application runs; at its end those under way are finished."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            yield
            self._tasks = None
