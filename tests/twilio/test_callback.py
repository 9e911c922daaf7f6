"""Callbacks, as the forms Twilio posts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.record import CallUpdate
from bridge.calls.status import STATUSES, Status
from bridge.errors import InvalidField
from bridge.twilio.callback import (
    DetectionUpdate,
    StreamUpdate,
    event_of,
    read_call_update,
    read_detection,
    read_stream_update,
)

CALL, STREAM = "CA" + "1" * 32, "MZ" + "2" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# The field set of public captures of a last status callback; ids and numbers are made up.
COMPLETED = [
    ("Called", "+12025550123"),
    ("ToState", "DC"),
    ("CallerCountry", "US"),
    ("Direction", "outbound-api"),
    ("Timestamp", "Tue, 31 Aug 2026 20:36:44 +0000"),
    ("CallbackSource", "call-progress-events"),
    ("SipResponseCode", "200"),
    ("CallSid", CALL),
    ("To", "+12025550123"),
    ("CallDuration", "49"),
    ("SequenceNumber", "3"),
    ("CallStatus", "completed"),
    ("Duration", "1"),
    ("AnsweredBy", "human"),
    ("From", "+12025550199"),
    ("AccountSid", "AC" + "3" * 32),
    ("ApiVersion", "2010-04-01"),
]


def replaced(form: list[tuple[str, str]], **values: str) -> list[tuple[str, str]]:
    return [*((name, value) for name, value in form if name not in values), *values.items()]


def test_the_last_callback() -> None:
    assert read_call_update(COMPLETED, now=NOW) == CallUpdate(
        CALL, "completed", datetime(2026, 8, 31, 20, 36, 44, tzinfo=UTC), 3, 49, 200, "human"
    )


def test_a_callback_of_little() -> None:
    form = [("CallSid", CALL), ("CallStatus", "ringing")]
    assert read_call_update(form, now=NOW) == CallUpdate(CALL, "ringing", NOW)


@pytest.mark.parametrize(
    "stamp", ["", "yesterday", "Tue, 99 Aug 2026 20:36:44 +0000", "Fri, 31 Dec 9999 23:59:59 -2359"]
)
def test_an_unreadable_time_is_now(stamp: str) -> None:
    assert read_call_update(replaced(COMPLETED, Timestamp=stamp), now=NOW).at == NOW


@pytest.mark.parametrize("number", ["", "-1", "x", "1.5", "９", "1" * 5000])
def test_an_unreadable_number_is_absent(number: str) -> None:
    update = read_call_update(replaced(COMPLETED, SequenceNumber=number, CallDuration=number), now=NOW)
    assert (update.sequence, update.duration_s) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CallStatus", ""),
        ("CallStatus", "answered"),
        ("CallSid", ""),
        ("CallSid", STREAM),
        ("CallSid", "CA1"),
    ],
)
def test_what_nothing_can_be_done_without(name: str, value: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read_call_update(replaced(COMPLETED, **{name: value}), now=NOW)
    assert raised.value.field == name


def test_every_state_that_is_called_back_has_its_event() -> None:
    events: dict[Status, str | None] = {status: event_of(status) for status in STATUSES}
    assert events == {
        "queued": None,
        "initiated": "initiated",
        "ringing": "ringing",
        "in-progress": "answered",
        **dict.fromkeys(("completed", "busy", "failed", "no-answer", "canceled"), "completed"),
    }


def stream(**values: str) -> list[tuple[str, str]]:
    form = [
        ("AccountSid", "AC" + "3" * 32),
        ("CallSid", CALL),
        ("StreamSid", STREAM),
        ("StreamName", STREAM),
        ("StreamEvent", "stream-started"),
        ("Timestamp", "2026-08-31T20:36:44.123Z"),
    ]
    return replaced(form, **values)


def test_streams() -> None:
    at = datetime(2026, 8, 31, 20, 36, 44, 123000, tzinfo=UTC)
    assert read_stream_update(stream(), now=NOW) == StreamUpdate(CALL, STREAM, "stream-started", at)
    assert read_stream_update(
        stream(StreamEvent="stream-error", StreamError="31921: closed", Timestamp="?"), now=NOW
    ) == StreamUpdate(CALL, STREAM, "stream-error", NOW, "31921: closed")
    assert read_stream_update(stream(StreamEvent="stream-error"), now=NOW).error == "no reason was given"


@pytest.mark.parametrize(
    ("name", "value"), [("StreamSid", CALL), ("CallSid", ""), ("StreamEvent", "started")]
)
def test_streams_that_cannot_be_read(name: str, value: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read_stream_update(stream(**{name: value}), now=NOW)
    assert raised.value.field == name


def test_detection() -> None:
    form = [("CallSid", CALL), ("AnsweredBy", "machine_end_beep"), ("MachineDetectionDuration", "3456")]
    assert read_detection(form) == DetectionUpdate(CALL, "machine_end_beep", 3456)
    with pytest.raises(InvalidField, match="AnsweredBy"):
        read_detection([("CallSid", CALL)])


@given(
    st.lists(
        st.tuples(st.sampled_from([name for name, _ in COMPLETED + stream()]), st.text(max_size=12)),
        max_size=6,
    )
)
def test_any_form_is_news_or_an_invalid_field(form: list[tuple[str, str]]) -> None:
    for read in (read_call_update, read_stream_update):
        try:
            at = read([*COMPLETED, *stream(), *form], now=NOW).at
        except InvalidField:
            continue
        assert at.tzinfo is not None
