"""News of a call: to its live session while there is one, to the feed once in any case."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.calls.event_json import event_json
from bridge.calls.feed import EventFeed, FeedItem
from bridge.calls.record import CallRecord
from bridge.session.announcer import Announcer
from bridge.session.directory import Directory
from bridge.session.session import Session
from tests.session.test_session import Phone


class Stage:
    """A call with a stream, its record, and a feed that its session publishes to as in the application."""

    def __init__(self) -> None:
        phone = Phone()
        self.feed = EventFeed(phone.clock)
        self.directory = Directory()
        self.session: Session = phone.session
        self.session._log._publish = lambda event: self.feed.publish(event_json(event), call_sid="CA1")
        self.record = CallRecord(self.session.sid, "placed", "", "", datetime(2026, 1, 1, tzinfo=UTC))
        self.record.status, self.record.answered_by = "in-progress", "human"
        self.announcer = Announcer(self.directory, self.feed)

    async def told(self) -> list[dict[str, object]]:
        self.announcer.status_changed(self.record)
        self.announcer.detected(self.record)
        self.feed.end()
        return [dict(one.members) async for one in self.feed.read("0") if isinstance(one, FeedItem)]


async def test_a_live_session_numbers_it_and_publishes_it_itself() -> None:
    stage = Stage()
    stage.directory.add(stage.session)
    assert await stage.told() == [
        {"event": "state", "number": 2, "at_ms": 0, "status": "in-progress"},
        {"event": "amd", "number": 3, "at_ms": 0, "answered_by": "human"},
    ]


@pytest.mark.parametrize("ended", [False, True])
async def test_without_one_or_when_it_has_ended_the_feed_is_told_directly(*, ended: bool) -> None:
    stage = Stage()
    if ended:
        stage.session._log._publish = lambda _: None
        stage.directory.add(stage.session)
        stage.session.end("stop")
    assert await stage.told() == [
        {"event": "state", "status": "in-progress"},
        {"event": "amd", "answered_by": "human"},
    ]
