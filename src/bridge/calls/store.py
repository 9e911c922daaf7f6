"""Where records of calls are kept: an interface narrow enough for a database, and one in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Final, Protocol

from bridge.calls.record import CallRecord
from bridge.calls.status import Direction, Status

logger = logging.getLogger(__name__)

MAX_CALLS: Final = 10_000
"""Calls remembered in memory."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls to list; ``None`` accepts any. Addresses are compared as they are written."""

    status: Status | None = None
    direction: Direction | None = None
    from_: str | None = None
    to: str | None = None

    def accepts(self, record: CallRecord) -> bool:
        """Tell whether a record is wanted."""
        return (
            self.status in {None, record.status}
            and self.direction in {None, record.direction}
            and self.from_ in {None, record.from_}
            and self.to in {None, record.to}
        )


@dataclass(frozen=True, slots=True)
class Page:
    """
    Part of a listing.

    Attributes:
        records: Newest first.
        cursor: Give this to ``page`` for what follows; ``None`` where nothing does.

    """

    records: tuple[CallRecord, ...]
    cursor: int | None = None


class CallStore(Protocol):
    """Keeps records. What it hands out is live: change it, then ``save`` it."""

    async def add(self, record: CallRecord) -> CallRecord:
        """
        Keep a record, unless its call is known already.

        Returns:
            The record that is kept: this one, or the one that was there. Our request, its first callback and
            its media socket race each other, and whoever comes first makes the record.

        """
        ...

    async def get(self, sid: str) -> CallRecord | None:
        """Give the record of a call, or ``None`` if it is unknown or was forgotten."""
        ...

    async def save(self, record: CallRecord) -> None:
        """Keep what was changed in a record. A record that was forgotten meanwhile stays forgotten."""
        ...

    async def page(self, *, limit: int, cursor: int | None = None, wanted: Filter = Filter()) -> Page:
        """
        List calls, newest first.

        Args:
            limit: Most records to give, at least 1.
            cursor: From the page before; ``None`` for the first. It stays good while calls come and go.
            wanted: Which calls.

        """
        ...


class MemoryCallStore:
    """
    Keeps the latest calls in memory.

    Args:
        limit: How many. Above it the oldest ended one is forgotten; a live one only if none has ended.

    """

    def __init__(self, limit: int = MAX_CALLS) -> None:
        self._limit = limit
        self._numbers = count(1)
        self._kept: dict[str, tuple[int, CallRecord]] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._kept)

    async def add(self, record: CallRecord) -> CallRecord:
        if known := self._kept.get(record.sid):
            return known[1]
        if len(self._kept) >= self._limit:
            self._forget_one()
        self._kept[record.sid] = (next(self._numbers), record)
        return record

    async def get(self, sid: str) -> CallRecord | None:
        known = self._kept.get(sid)
        return known[1] if known else None

    async def save(self, record: CallRecord) -> None:
        """Do nothing: what was changed is what is kept."""

    async def page(self, *, limit: int, cursor: int | None = None, wanted: Filter = Filter()) -> Page:
        found = list(islice(self._newest_first(cursor, wanted), limit + 1))
        following = found[limit - 1][0] if len(found) > limit else None
        return Page(tuple(record for _, record in found[:limit]), following)

    def _newest_first(self, cursor: int | None, wanted: Filter) -> Iterator[tuple[int, CallRecord]]:
        return (
            (number, record)
            for number, record in reversed(self._kept.values())
            if (cursor is None or number < cursor) and wanted.accepts(record)
        )

    def _forget_one(self) -> None:
        oldest = next(iter(self._kept))
        sid = next((sid for sid, (_, record) in self._kept.items() if record.is_over), oldest)
        if not self._kept.pop(sid)[1].is_over:
            logger.warning("%d calls are live, the record of the oldest is given up", self._limit)
