"""A store that tells what is new in a record: the one place through which every change of a call goes."""

from __future__ import annotations

from typing import Final, Protocol

from bridge.calls.record import CallRecord
from bridge.calls.store import CallStore, Filter, Page

ANY: Final = Filter()


class RecordObserver(Protocol):
    """Is told of a record's news, once each, synchronously and in order."""

    def status_changed(self, record: CallRecord) -> None:
        """``record.status`` was reached."""
        ...

    def detected(self, record: CallRecord) -> None:
        """Machine detection found ``record.answered_by``."""
        ...


class ObservedStore:
    """
    A ``CallStore`` in front of another.

    What was told stands in the record itself (``CallRecord.told``), so that it is kept and forgotten with it.

    Args:
        store: Keeps the records.
        observer: Is told of their news, after they were kept.

    """

    def __init__(self, store: CallStore, observer: RecordObserver) -> None:
        self._store: Final = store
        self._observer: Final = observer

    async def add(self, record: CallRecord) -> CallRecord:
        kept = await self._store.add(record)
        self._tell(kept)
        return kept

    async def get(self, sid: str) -> CallRecord | None:
        return await self._store.get(sid)

    async def save(self, record: CallRecord) -> None:
        await self._store.save(record)
        self._tell(record)

    async def page(self, *, limit: int, cursor: int | None = None, wanted: Filter = ANY) -> Page:
        return await self._store.page(limit=limit, cursor=cursor, wanted=wanted)

    def _tell(self, record: CallRecord) -> None:
        # States only go forward, so one that was told never comes again.
        if record.status not in record.told:
            record.told.add(record.status)
            self._observer.status_changed(record)
        if record.answered_by is not None and record.answered_by not in record.told:
            record.told.add(record.answered_by)
            self._observer.detected(record)
