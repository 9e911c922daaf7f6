"""A call's events: kept, numbered, and read by any number of readers from the start."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from bridge.calls.event import CallEvent
from bridge.errors import ListenerOverflow

MAX_EVENTS: Final = 1000


class EventLog:
    """
    The events of one call.

    Bound: the last 1,000 are kept; a reader that falls further behind is ended with ``ListenerOverflow``.

    Args:
        publish: Is told every event too.

    """

    def __init__(self, publish: Callable[[CallEvent], None]) -> None:
        self._publish = publish
        self._events: deque[CallEvent] = deque(maxlen=MAX_EVENTS)
        self._last_number = 0
        self._ended = False
        self._news = asyncio.Event()

    def add(self, build: Callable[[int], CallEvent]) -> None:
        """Append the event that ``build`` makes of its number and wake the readers; none after the end."""
        if self._ended:
            return
        self._last_number += 1
        event = build(self._last_number)
        self._events.append(event)
        self._wake()
        self._publish(event)

    def end(self) -> None:
        """No more events will come; readers end after the last."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def read(self) -> AsyncIterator[CallEvent]:
        """
        Give every event from the oldest kept on.

        Raises:
            ListenerOverflow: more than 1,000 events came while the reader was busy with one.

        """
        number = self._events[0].number if self._events else 1
        while True:
            while number <= self._last_number:
                oldest = self._events[0].number
                if number < oldest:
                    raise ListenerOverflow(
                        f"this reader of events is {oldest - number} events too late; {MAX_EVENTS} are kept"
                    )
                yield self._events[number - oldest]
                number += 1
            if self._ended:
                return
            await self._news.wait()
