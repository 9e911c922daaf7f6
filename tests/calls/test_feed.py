"""The feed of all calls' events: order, places to go on from, gaps, heartbeats and ends."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from bridge.calls.feed import HEARTBEAT_S, EventFeed, FeedItem, Heartbeat
from bridge.testing import ManualClock, settle

CALL, OTHER = "CA" + "1" * 32, "CA" + "2" * 32


def told(feed: EventFeed, *numbers: int, call_sid: str = CALL) -> None:
    for number in numbers:
        feed.publish({"event": "dtmf", "digit": str(number)}, call_sid=call_sid)


async def rest(feed: EventFeed, after: str | None = None, *, call_sid: str | None = None) -> list[FeedItem]:
    """Everything from there to the end of the feed."""
    feed.end()
    return [one async for one in feed.read(after, call_sid=call_sid) if isinstance(one, FeedItem)]


def digits(items: list[FeedItem]) -> list[object]:
    return [item.members.get("digit", item.name) for item in items]


class Reader:
    """One reader in a task of its own, which keeps what it is told."""

    def __init__(self, feed: EventFeed, group: asyncio.TaskGroup, after: str | None = None) -> None:
        self.got: list[FeedItem | Heartbeat] = []
        self.task = group.create_task(self._read(feed, after))

    async def _read(self, feed: EventFeed, after: str | None) -> None:
        async for one in feed.read(after):
            self.got.append(one)


async def test_every_reader_gets_what_comes_after_it_began_in_order() -> None:
    feed = EventFeed(ManualClock())
    told(feed, 1)
    async with asyncio.TaskGroup() as group:
        readers = [Reader(feed, group) for _ in range(3)]
        await settle()
        told(feed, 2)
        await settle()
        told(feed, 3, 4)
        feed.end()
    for reader in readers:
        begin, *items = reader.got
        assert isinstance(begin, Heartbeat)
        assert digits([item for item in items if isinstance(item, FeedItem)]) == ["2", "3", "4"]


async def test_an_item_says_what_when_and_whose() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    feed = EventFeed(clock)
    await clock.advance(1.5)
    feed.publish({"event": "mark", "name": "a\nb", "fate": "played"}, call_sid=CALL, stream_sid="MZ1")
    (item,) = await rest(feed, "0")
    assert item.as_json() == {
        "version": 1,
        "id": f"{1767225600000:x}-1",
        "at": "2026-01-01T00:00:01.500Z",
        "call_sid": CALL,
        "stream_sid": "MZ1",
        "event": "mark",
        "name": "a\nb",
        "fate": "played",
    }


async def test_reading_goes_on_after_the_last_item_seen() -> None:
    feed = EventFeed(ManualClock())
    told(feed, 1, 2, 3)
    seen = (await anext(feed.read())).id
    told(feed, 4, 5)
    assert digits(await rest(feed, seen)) == ["4", "5"]


async def test_ids_of_an_earlier_run_or_of_none_give_all_that_is_kept() -> None:
    clock = ManualClock()
    earlier = EventFeed(clock)
    told(earlier, 1, 2)
    seen = (await anext(earlier.read())).id
    await clock.advance(0.001)
    feed = EventFeed(clock)
    told(feed, 7, 8, 9)
    epoch = (await anext(feed.read())).id.partition("-")[0]
    strange = [
        "",
        "0",
        "-",
        f"{epoch}-",
        f"{epoch}-x",
        f"{epoch}-99",
        f"{epoch}--1",
        f"{epoch}-²",
        "9" * 9999,
    ]
    for after in (seen, *strange, f"{epoch}-{'9' * 9999}"):
        assert digits(await rest(feed, after)) == ["7", "8", "9"], after


async def test_one_call_s_items_can_be_chosen() -> None:
    feed = EventFeed(ManualClock())
    told(feed, 1, call_sid=OTHER)
    told(feed, 2)
    told(feed, 3, call_sid=OTHER)
    assert digits(await rest(feed, "0", call_sid=OTHER)) == ["1", "3"]


async def test_a_reader_too_far_behind_is_told_how_many_it_missed_and_goes_on() -> None:
    feed = EventFeed(ManualClock(), limit=3)
    async with aclosing(feed.read()) as reading:
        begin = await anext(reading)
        told(feed, *range(1, 11))
        gap = await anext(reading)
        assert isinstance(gap, FeedItem)
        assert gap.members == {"event": "gap", "missed": 7}
        assert (gap.call_sid, gap.stream_sid) == (None, None)
        first = await anext(reading)
        assert isinstance(first, FeedItem)
        assert first.members["digit"] == "8"
        told(feed, *range(11, 14))  # 9 and 10 are gone while the reader is busy with 8
        again = await anext(reading)
        assert isinstance(again, FeedItem)
        assert again.members == {"event": "gap", "missed": 2}
    assert digits(await rest(feed, gap.id)) == ["gap", "11", "12", "13"]
    assert digits(await rest(feed, begin.id)) == ["gap", "11", "12", "13"]
    assert digits(await rest(feed, again.id)) == ["11", "12", "13"]


async def test_a_reader_with_much_to_catch_up_with_lets_others_run() -> None:
    feed = EventFeed(ManualClock())
    told(feed, *range(1000))
    async with asyncio.TaskGroup() as group:
        reader = Reader(feed, group, after="0")
        await asyncio.sleep(0)
        assert 0 < len(reader.got) < 100
        feed.end()
    assert len(reader.got) == 1001


async def test_a_waiting_reader_gets_a_heartbeat_every_15_s_with_its_place() -> None:
    clock = ManualClock()
    feed = EventFeed(clock)
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(feed.beat())
        reader = Reader(feed, group)
        await clock.advance(HEARTBEAT_S - 0.1)
        assert len(reader.got) == 1
        told(feed, 1)
        await clock.advance(0.2)
        *_, item, beat = reader.got
        assert isinstance(beat, Heartbeat)
        assert beat.id == item.id
        await clock.advance(10 * HEARTBEAT_S)
        assert len(reader.got) == 13
        beating.cancel()
        feed.end()


async def test_a_heartbeat_moves_on_past_items_that_were_not_wanted() -> None:
    clock = ManualClock()
    feed = EventFeed(clock)
    async with asyncio.TaskGroup() as group, aclosing(feed.read(call_sid=OTHER)) as reading:
        beating = group.create_task(feed.beat())
        begin = await anext(reading)
        told(feed, 1, 2)
        waiting = group.create_task(anext(reading))
        await clock.advance(HEARTBEAT_S)
        beat = await waiting
        assert isinstance(beat, Heartbeat)
        assert (begin.id[-2:], beat.id[-2:]) == ("-0", "-2")
        beating.cancel()


async def test_nothing_is_taken_after_the_end_and_late_readers_end_at_once() -> None:
    feed = EventFeed(ManualClock())
    told(feed, 1)
    assert digits(await rest(feed, "0")) == ["1"]
    told(feed, 2)
    assert digits(await rest(feed, "0")) == ["1"]
    assert await rest(feed) == []


async def test_a_reader_that_leaves_leaves_nothing_behind() -> None:
    feed = EventFeed(ManualClock())
    async with asyncio.TaskGroup() as group:
        readers = [Reader(feed, group) for _ in range(100)]
        await settle()
        for reader in readers:
            reader.task.cancel()
    assert not feed._news._waiters


async def test_items_keep_the_clock_s_time_not_the_reader_s() -> None:
    clock = ManualClock()
    feed = EventFeed(clock)
    told(feed, 1)
    published_at = clock.utc()
    await clock.advance(3600)
    (item,) = await rest(feed, "0")
    assert item.at == published_at == clock.utc() - timedelta(hours=1)
