"""The contract of a store, and what memory adds to it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from bridge.calls.record import CallRecord, CallUpdate
from bridge.calls.status import Status
from bridge.calls.store import MAX_CALLS, CallStore, Filter, MemoryCallStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANY = Filter()


def call(number: int, status: Status = "queued") -> CallRecord:
    return CallRecord(
        f"CA{number:032x}", "placed" if number % 2 else "incoming", f"+{number}", "+1", NOW, status
    )


def number_of(record: CallRecord) -> int:
    return int(record.sid.removeprefix("CA"), 16)


async def sids(store: CallStore, limit: int = 1000, wanted: Filter = ANY) -> list[int]:
    """Walk through all pages."""
    numbers, cursor = list[int](), None
    while True:
        page = await store.page(limit=limit, cursor=cursor, wanted=wanted)
        numbers += [number_of(record) for record in page.records]
        cursor = page.cursor
        if cursor is None:
            return numbers


@pytest.fixture(params=[MemoryCallStore])
def store(request: pytest.FixtureRequest) -> CallStore:
    made: CallStore = request.param()
    return made


async def test_what_is_added_is_found(store: CallStore) -> None:
    record = call(1)
    assert await store.add(record) is record
    assert await store.get(record.sid) == record
    assert await store.get("CA" + "f" * 32) is None


async def test_whoever_comes_first_makes_the_record(store: CallStore) -> None:
    first = await store.add(call(1, "ringing"))
    assert await store.add(call(1)) is first
    assert await sids(store) == [1]


async def test_changes_are_kept(store: CallStore) -> None:
    record = await store.add(call(1))
    record.apply(CallUpdate(record.sid, "busy", NOW))
    await store.save(record)
    kept = await store.get(record.sid)
    assert kept is not None
    assert kept.status == "busy"


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_give_every_call_once_newest_first(store: CallStore, limit: int) -> None:
    for number in range(1, 8):
        await store.add(call(number))
    assert await sids(store, limit) == [7, 6, 5, 4, 3, 2, 1]


async def test_an_empty_store_has_one_empty_page(store: CallStore) -> None:
    page = await store.page(limit=5)
    assert (page.records, page.cursor) == ((), None)


async def test_a_cursor_stays_good_while_calls_come(store: CallStore) -> None:
    for number in range(1, 5):
        await store.add(call(number))
    first = await store.page(limit=2)
    await store.add(call(9))
    second = await store.page(limit=2, cursor=first.cursor)
    assert [number_of(record) for record in second.records] == [2, 1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(status="busy"), [4, 2]),
        (Filter(direction="placed"), [3, 1]),
        (Filter(from_="+3"), [3]),
        (Filter(to="+1"), [4, 3, 2, 1]),
        (Filter(status="busy", direction="placed"), []),
    ],
)
async def test_filters(store: CallStore, wanted: Filter, expected: list[int]) -> None:
    for number in range(1, 5):
        await store.add(call(number, "ringing" if number % 2 else "busy"))
    assert await sids(store, wanted=wanted) == expected
    assert await sids(store, limit=1, wanted=wanted) == expected


class TestMemory:
    async def test_the_oldest_ended_call_goes_first(self) -> None:
        store = MemoryCallStore(limit=3)
        for number, status in enumerate(("ringing", "busy", "completed", "queued"), start=1):
            await store.add(call(number, status))  # type: ignore[arg-type]
        assert await sids(store) == [4, 3, 1]

    async def test_if_none_has_ended_the_oldest_goes_with_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = MemoryCallStore(limit=2)
        with caplog.at_level(logging.WARNING):
            for number in range(1, 4):
                await store.add(call(number))
        assert await sids(store) == [3, 2]
        assert "2 calls are live" in caplog.text

    async def test_the_bound(self) -> None:
        store = MemoryCallStore()
        for number in range(MAX_CALLS + 5):
            await store.add(call(number, "completed"))
        assert len(store) == MAX_CALLS
        assert await store.get(f"CA{4:032x}") is None

    async def test_a_cursor_stays_good_while_calls_are_forgotten(self) -> None:
        store = MemoryCallStore(limit=4)
        for number in range(1, 5):
            await store.add(call(number, "completed"))
        first = await store.page(limit=2)
        await store.add(call(5))
        second = await store.page(limit=2, cursor=first.cursor)
        assert [number_of(record) for record in second.records] == [2]
