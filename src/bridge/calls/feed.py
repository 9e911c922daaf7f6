"""What happens in all calls of this process, in order, for any number of readers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bridge.calls.event_json import VERSION
from bridge.clock import Clock

MAX_ITEMS: Final = 10_000
"""Items remembered; above it the oldest goes."""

HEARTBEAT_S: Final = 15.0
"""https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes advises this interval."""

_STEPS_AT_ONCE: Final = 32
"""What a reader with much to catch up with may take before other tasks run: frames are due every 20 ms."""


@dataclass(frozen=True, slots=True)
class FeedItem:
    """
    One thing that happened.

    Attributes:
        id: ``<epoch>-<number>``: the epoch names this run of the server, the number counts from 1 in it.
        at: When it was told; aware UTC.
        call_sid: Whose it is; ``None`` for a gap.
        stream_sid: Of which stream, ``None`` where the carrier told us by other ways than a live stream.
        members: The event's own, its name in ``event``.

    """

    id: str
    at: datetime
    call_sid: str | None
    stream_sid: str | None
    members: Mapping[str, object]

    @property
    def name(self) -> str:
        """The event's name, as ``docs/reference/events.md`` lists them."""
        return str(self.members["event"])

    def as_json(self) -> dict[str, object]:
        """Give what every reader is told."""
        return {
            "version": VERSION,
            "id": self.id,
            "at": self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "call_sid": self.call_sid,
            "stream_sid": self.stream_sid,
            **self.members,
        }


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Nothing happened; ``id`` is where the reader stands, also past items that it did not want."""

    id: str


class EventFeed:
    """
    The events of all calls.

    Bound: the last 10,000 are kept. A reader that falls further behind is told how many it missed, by an item
    ``gap``, and goes on with the oldest that is kept; it never delays whoever publishes, or another reader.

    Args:
        clock: Gives the items their time, and the feed its epoch.
        limit: How many items are kept.

    """

    def __init__(self, clock: Clock, *, limit: int = MAX_ITEMS) -> None:
        self._clock: Final = clock
        # Milliseconds since 1970: two runs of a server differ, and a later one has the greater number.
        self._epoch: Final = f"{int(clock.utc().timestamp() * 1000):x}"
        self._items: Final[deque[FeedItem]] = deque(maxlen=limit)
        self._last_number = 0
        self._beats = 0
        self._ended = False
        self._news: Final = asyncio.Event()

    def publish(self, members: Mapping[str, object], *, call_sid: str, stream_sid: str | None = None) -> None:
        """Tell what happened; costs two microseconds, whoever reads. Nothing is taken after the end."""
        if self._ended:
            return
        self._last_number += 1
        item_id = self._id(self._last_number)
        self._items.append(FeedItem(item_id, self._clock.utc(), call_sid, stream_sid, members))
        self._wake()

    def end(self) -> None:
        """No more will come: readers end after the last item."""
        self._ended = True
        self._wake()

    async def beat(self) -> None:
        """Give every waiting reader a heartbeat each 15 s, until cancelled; one timer serves them all."""
        due_s = self._clock.now_s()
        while True:
            due_s += HEARTBEAT_S
            await self._clock.sleep_until_s(due_s)
            self._beats += 1
            self._wake()

    async def read(
        self, after: str | None = None, *, call_sid: str | None = None
    ) -> AsyncGenerator[FeedItem | Heartbeat]:
        """
        Give a heartbeat with the place where reading begins, then every item until the feed ends.

        Args:
            after: The id of the last item that is known; ``None`` begins with what is yet to come. An id that
                is not of this run (of an earlier one, or of none) asks for all that is kept.
            call_sid: Only this call's items; gaps are told all the same.

        """
        number = self._number_of(after)
        beats, steps = self._beats, 0
        yield Heartbeat(self._id(number))
        while True:
            while number < self._last_number:
                missed = self._oldest_number - number - 1
                if missed > 0:
                    number += missed
                    yield self._gap(number, missed)
                    continue
                number += 1
                item = self._items[number - self._oldest_number]
                if call_sid is None or item.call_sid == call_sid:
                    yield item
                steps = (steps + 1) % _STEPS_AT_ONCE
                if steps == 0:
                    await asyncio.sleep(0)
            if self._ended:
                return
            if beats != self._beats:
                beats = self._beats
                yield Heartbeat(self._id(number))
            else:
                await self._news.wait()

    @property
    def _oldest_number(self) -> int:
        return self._last_number - len(self._items) + 1

    def _id(self, number: int) -> str:
        return f"{self._epoch}-{number}"

    def _number_of(self, after: str | None) -> int:
        if after is None:
            return self._last_number
        epoch, _, digits = after.partition("-")
        known = epoch == self._epoch and digits.isascii() and digits.isdecimal() and len(digits) < 16
        number = int(digits) if known else 0
        return number if number <= self._last_number else 0

    def _gap(self, number: int, missed: int) -> FeedItem:
        members = {"event": "gap", "missed": missed}
        return FeedItem(self._id(number), self._clock.utc(), None, None, members)

    def _wake(self) -> None:
        """Wake who waits now, and only them: no event, and no task, is made for it."""
        self._news.set()
        self._news.clear()
