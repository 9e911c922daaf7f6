"""Records: news in any order leads to the same end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.record import MAX_STREAMS, CallRecord, CallUpdate, StreamRecord
from bridge.calls.status import FINAL, STATUSES, Reason, Status, Termination

SID = "CA" + "0" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def new(status: Status = "queued") -> CallRecord:
    return CallRecord(SID, "placed", "+12025550123", "sip:demo@localhost", START, status)


def news(status: Status, second: int = 0, sequence: int | None = None, **more: int | None) -> CallUpdate:
    return CallUpdate(SID, status, at(second), sequence, **more)  # type: ignore[arg-type]


NORMAL = [
    news("initiated", 1, 0),
    news("ringing", 2, 1),
    news("in-progress", 5, 2),
    news("completed", 12, 3, duration_s=7, sip_status=200),
]


def test_a_normal_call() -> None:
    record = new()
    assert [record.apply(update) for update in NORMAL] == ["changed"] * 4
    assert (record.ringing_at, record.answered_at, record.ended_at) == (at(2), at(5), at(12))
    assert (record.duration_s, record.sip_status) == (7, 200)
    assert record.termination == Termination("completed")
    assert record.is_over


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_any_order_leads_to_the_same_record(order: tuple[int, ...]) -> None:
    expected, record = new(), new()
    for update in NORMAL:
        expected.apply(update)
    outcomes = [record.apply(NORMAL[place]) for place in order]
    assert record == expected
    assert "impossible" not in outcomes


def test_twice_is_repeated_and_the_first_time_stays() -> None:
    record = new()
    record.apply(news("ringing", 2, 1))
    assert record.apply(news("ringing", 3, 1)) == "repeated"
    assert record.ringing_at == at(2)


def test_an_overtaken_one_supplies_its_time_only() -> None:
    record = new()
    record.apply(news("in-progress", 5, 2))
    assert record.apply(news("ringing", 2, 1)) == "late"
    assert (record.status, record.ringing_at) == ("in-progress", at(2))


def test_a_lower_sequence_number_never_moves_the_state_but_an_end_always_counts() -> None:
    record = new()
    record.apply(news("initiated", 1, 5))
    assert record.apply(news("ringing", 2, 3)) == "impossible"
    assert record.status == "initiated"
    assert record.apply(news("busy", 3, 0)) == "changed"


@pytest.mark.parametrize(("first", "second"), [("completed", "busy"), ("busy", "completed")])
def test_what_cannot_be_changes_nothing(first: Status, second: Status) -> None:
    record = new()
    record.apply(news(first, 1))
    assert record.apply(news(second, 2, sip_status=486)) == "impossible"
    assert (record.status, record.sip_status) == (first, None)


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.none() | st.integers(0, 9)), max_size=12))
def test_an_end_is_reached_once_and_kept(heard: list[tuple[Status, int | None]]) -> None:
    record = new()
    ends = []
    for second, (status, sequence) in enumerate(heard):
        if record.apply(news(status, second, sequence)) == "changed" and record.is_over:
            ends.append((record.status, record.ended_at, record.termination))
    assert len(ends) <= 1
    assert bool(ends) == any(status in FINAL for status, _ in heard)
    assert ends in ([], [(record.status, record.ended_at, record.termination)])


def test_who_hung_up_is_known_from_us() -> None:
    record = new("in-progress")
    record.expect_end("bridge_hung_up")
    record.expect_end("phone_hung_up")
    record.apply(news("completed"))
    assert record.termination == Termination("bridge_hung_up")


@pytest.mark.parametrize(
    ("status", "reason"), [("busy", "busy"), ("canceled", "canceled"), ("failed", "carrier_failed")]
)
def test_a_carrier_that_says_more_is_believed(status: Status, reason: Reason) -> None:
    record = new("ringing")
    record.expect_end("bridge_hung_up")
    record.apply(news(status))
    assert record.termination == Termination(reason)


def test_what_was_expected_can_be_taken_back() -> None:
    record = new("in-progress")
    record.expect_end("bridge_hung_up")
    record.expect_nothing()
    record.expect_end("phone_hung_up")
    record.apply(news("completed"))
    assert record.termination == Termination("phone_hung_up")


def test_after_the_end_only_who_hung_up_may_still_be_told() -> None:
    record = new("in-progress")
    record.apply(news("completed"))
    record.expect_end("phone_hung_up")  # the carrier's callback was quicker than the stream's last message
    record.expect_end("shutdown")
    record.finish(at(99))
    assert (record.termination, record.ended_at) == (Termination("phone_hung_up"), at(0))
    failed = new("in-progress")
    failed.apply(news("failed"))
    failed.expect_end("phone_hung_up")
    assert failed.termination == Termination("carrier_failed")


def test_a_call_of_which_nothing_more_is_heard() -> None:
    record = new()
    record.finish(at(3))
    assert (record.status, record.termination, record.ended_at) == ("failed", Termination("unknown"), at(3))


def test_a_streamed_call_ends_completed_even_without_callbacks() -> None:
    record = new()
    record.add_stream(StreamRecord("MZ1", at(1)))
    record.expect_end("stream_lost")
    record.finish(at(3), fallback="shutdown")
    assert (record.status, record.termination) == ("completed", Termination("stream_lost"))


def test_streams_are_bounded_and_recordings_collected() -> None:
    record = new()
    for number in range(MAX_STREAMS + 3):
        record.add_stream(StreamRecord(f"MZ{number}", at(number), recordings=[Path(f"{number}.wav")]))
    assert len(record.streams) == MAX_STREAMS
    assert record.recordings[0] == Path("3.wav")
    assert record.recordings[-1] == Path(f"{MAX_STREAMS + 2}.wav")
