"""The schema fits what is really said, member by member."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from bridge.calls.event import (
    CallEvent,
    DigitPressed,
    MachineDetected,
    MarkReached,
    SpeechStarted,
    SpeechStopped,
    StateChanged,
    StreamEnded,
    StreamStarted,
)
from bridge.calls.event_json import NAMES, event_json
from bridge.calls.event_schema import event_schema
from bridge.calls.feed import EventFeed, FeedItem
from bridge.testing import ManualClock

EVENTS: list[CallEvent] = [
    StreamStarted(1, 0, "MZ" + "1" * 32),
    DigitPressed(2, 20, "#"),
    MarkReached(3, 40, "a name", "cleared"),
    SpeechStarted(4, 60),
    SpeechStopped(5, 80, 20),
    MachineDetected(6, 100, "human"),
    StateChanged(7, 120, "completed"),
    StreamEnded(8, 140, "stop"),
]
DIRECT: list[dict[str, object]] = [
    {"event": "state", "status": "ringing"},
    {"event": "amd", "answered_by": "human"},
]
SCHEMA = event_schema()


def validator(name: str) -> Draft202012Validator:
    schema = {**SCHEMA, "$ref": f"#/$defs/{name}"}
    del schema["anyOf"]
    return Draft202012Validator(schema, format_checker=FormatChecker())


async def told(*members: dict[str, object], limit: int = 100) -> list[dict[str, Any]]:
    feed = EventFeed(ManualClock(), limit=limit)
    for one in members:
        feed.publish(one, call_sid="CA1")
    feed.end()
    return [one.as_json() async for one in feed.read("0") if isinstance(one, FeedItem)]


def test_it_is_a_schema_and_knows_every_event() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert {type(event) for event in EVENTS} == set(NAMES)
    assert set(SCHEMA["$defs"]) == {*NAMES.values(), "gap", "call-event", "feed-item"}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
async def test_every_event_fits_alone_and_in_the_feed_and_every_member_is_described(event: CallEvent) -> None:
    members = event_json(event)
    validator("call-event").validate(members)
    (item,) = await told(members)
    validator("feed-item").validate(item)
    assert set(members) == set(SCHEMA["$defs"][members["event"]]["properties"])
    assert set(item) - set(members) <= set(SCHEMA["$defs"]["feed-item"]["properties"])


@pytest.mark.parametrize("members", DIRECT)
async def test_what_the_carrier_tells_without_a_stream_fits_the_feed_only(members: dict[str, object]) -> None:
    (item,) = await told(members)
    validator("feed-item").validate(item)
    with pytest.raises(ValidationError):
        validator("call-event").validate(members)


async def test_a_gap_fits() -> None:
    gap, _ = await told(*DIRECT, limit=1)
    validator("feed-item").validate(gap)
    assert (gap["event"], gap["missed"]) == ("gap", 1)


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"id": "1"}, {"at": "today"}, {"event": "dance"}, {"fate": "lost"}, {"number": "3"}],
)
async def test_what_does_not_fit_is_found(change: dict[str, object]) -> None:
    (item,) = await told(event_json(EVENTS[2]))
    Draft202012Validator(SCHEMA).validate(item)
    with pytest.raises(ValidationError):
        validator("feed-item").validate(item | change)
