"""Every change of a record is told once, whoever makes it."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.calls.observed_store import ObservedStore
from bridge.calls.record import CallRecord, CallUpdate
from bridge.calls.status import Status
from bridge.calls.store import Filter, MemoryCallStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []

    def status_changed(self, record: CallRecord) -> None:
        self.told.append((record.sid, record.status))

    def detected(self, record: CallRecord) -> None:
        self.told.append((record.sid, record.answered_by))


def call(sid: str = "CA1", status: Status = "queued") -> CallRecord:
    return CallRecord(sid, "placed", "+1", "+2", NOW, status)


async def test_states_are_told_once_in_order() -> None:
    notes = Notes()
    store = ObservedStore(MemoryCallStore(), notes)
    record = await store.add(call())
    await store.add(call(status="ringing"))  # whoever comes second: its record is not kept
    for status in ("ringing", "ringing", "queued", "in-progress", "ringing", "completed", "busy"):
        record.apply(CallUpdate("CA1", status, NOW))
        await store.save(record)
    await store.save(record)
    assert notes.told == [("CA1", name) for name in ("queued", "ringing", "in-progress", "completed")]


async def test_each_result_of_machine_detection_is_told_once() -> None:
    notes = Notes()
    store = ObservedStore(MemoryCallStore(), notes)
    record = await store.add(call())
    for found in ("machine_start", "machine_start", "machine_end_beep"):
        record.answered_by = found
        await store.save(record)
    assert notes.told == [("CA1", "queued"), ("CA1", "machine_start"), ("CA1", "machine_end_beep")]


async def test_an_end_that_nobody_saved_at_once_is_told_when_it_is_saved() -> None:
    notes = Notes()
    store = ObservedStore(MemoryCallStore(), notes)
    record = await store.add(call(status="in-progress"))
    record.finish(NOW)
    assert notes.told == [("CA1", "in-progress")]
    await store.save(record)
    assert notes.told[-1] == ("CA1", "failed")


async def test_everything_else_is_the_store_s_behind_it() -> None:
    behind = MemoryCallStore()
    store = ObservedStore(behind, Notes())
    record = await store.add(call())
    assert await store.get("CA1") is await behind.get("CA1") is record
    assert await store.get("CA2") is None
    await store.add(call("CA2", "ringing"))
    page = await store.page(limit=5, wanted=Filter(status="ringing"))
    assert [one.sid for one in page.records] == ["CA2"]
    first = await store.page(limit=1)
    assert first.cursor is not None
    assert (await store.page(limit=1, cursor=first.cursor)).records == (record,)
