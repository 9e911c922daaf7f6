"""Calls whose stream broke: when the carrier is asked, and what becomes of their records."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from bridge.calls.record import CallRecord, CallUpdate, StreamRecord
from bridge.calls.status import Reason, Status
from bridge.calls.store import MemoryCallStore
from bridge.errors import CarrierRefused, CarrierUnreachable
from bridge.testing import ManualClock, settle
from bridge.twilio import lost_calls
from bridge.twilio.lost_calls import LostCalls
from bridge.twilio.rest import CallState

CALL = "CA" + "1" * 32
ANSWERED = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC)
LOST = datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)
GONE = CarrierRefused("not found", status=404)
SILENT = CarrierUnreachable("nobody listens")

Answer = CallState | Exception


class Api:
    """Answers in turn, the last one ever after, and notes when it was asked."""

    def __init__(self, clock: ManualClock, *answers: Answer) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.asked_at_s: list[float] = []

    async def state_of(self, call_sid: str) -> CallState:
        assert call_sid == CALL
        self.asked_at_s.append(self.clock.now_s())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def placed(sid: str = CALL) -> CallRecord:
    record = CallRecord(sid, "placed", "", "", ANSWERED, status="in-progress", answered_at=ANSWERED)
    record.add_stream(StreamRecord("MZ" + "1" * 32, ANSWERED, ended_at=LOST, end="lost"))
    record.expect_end("stream_lost")
    return record


async def after(
    seconds: float, *answers: Answer, record: CallRecord | None = None
) -> tuple[CallRecord, list[float]]:
    """Give the record and when the carrier was asked, so long after the loss."""
    clock = ManualClock()
    api = Api(clock, *answers)
    record = record or placed()
    calls = LostCalls(api.state_of, MemoryCallStore(), clock)
    async with calls.running():
        calls.add(record)
        await clock.advance(seconds)
    return record, api.asked_at_s


async def test_a_call_the_carrier_does_not_know_ended_with_its_stream() -> None:
    record, asked_at_s = await after(100, GONE)
    assert record.termination is not None
    assert (record.status, record.termination.reason) == ("completed", "stream_lost")
    assert (record.ended_at, record.duration_s) == (LOST, 9)
    assert asked_at_s == [5]


async def test_nothing_is_asked_at_once() -> None:
    record, asked_at_s = await after(4.9, GONE)
    assert (record.is_over, asked_at_s) == (False, [])


@pytest.mark.parametrize(
    ("status", "reason"),
    [("completed", "stream_lost"), ("failed", "carrier_failed"), ("canceled", "canceled")],
)
async def test_a_call_that_is_over_for_the_carrier_is_over(status: Status, reason: Reason) -> None:
    record, _ = await after(100, CallState(status, 8))
    assert record.termination is not None
    assert (record.status, record.termination.reason) == (status, reason)
    assert (record.ended_at, record.duration_s) == (LOST, 8)


async def test_a_call_that_goes_on_is_left_alone() -> None:
    record, asked_at_s = await after(100, CallState("in-progress"))
    assert (record.status, record.ended_at, asked_at_s) == ("in-progress", None, [5])


async def test_a_carrier_that_is_being_restarted_is_asked_again() -> None:
    record, asked_at_s = await after(100, SILENT, CarrierRefused("busy", status=429), GONE)
    assert record.is_over
    assert asked_at_s == [5, 15, 35]


@pytest.mark.parametrize("fault", [SILENT, CarrierRefused("who are you", status=401)])
async def test_a_carrier_that_does_not_tell_changes_nothing_and_is_logged_once(
    caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    with caplog.at_level(logging.INFO, lost_calls.__name__):
        record, asked_at_s = await after(1000, fault)
    assert (record.status, record.termination) == ("in-progress", None)
    assert asked_at_s == [5, 15, 35, 75]
    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert str(fault) in caplog.text


async def test_a_callback_that_comes_by_itself_saves_the_question() -> None:
    clock = ManualClock()
    api = Api(clock, GONE)
    calls, record = LostCalls(api.state_of, MemoryCallStore(), clock), placed()
    async with calls.running():
        calls.add(record)
        await clock.advance(3)
        record.apply(CallUpdate(CALL, "completed", clock.utc(), duration_s=12))
        await clock.advance(100)
        assert not len(calls)
    assert (record.duration_s, api.asked_at_s) == (12, [])


async def test_a_callback_that_overtakes_the_answer_is_right() -> None:
    record = placed()

    async def ask(_sid: str) -> CallState:
        record.apply(CallUpdate(CALL, "completed", LOST, duration_s=12))
        raise GONE

    clock = ManualClock()
    calls = LostCalls(ask, MemoryCallStore(), clock)
    async with calls.running():
        calls.add(record)
        await clock.advance(5)
    assert record.duration_s == 12


async def test_a_call_with_two_lost_streams_is_asked_after_once() -> None:
    clock = ManualClock()
    api = Api(clock, CallState("in-progress"))
    calls, record = LostCalls(api.state_of, MemoryCallStore(), clock), placed()
    async with calls.running():
        calls.add(record)
        calls.add(record)
        await clock.advance(5)
        assert api.asked_at_s == [5]
        calls.add(record)  # it went on, and lost another one later
        await clock.advance(5)
        assert api.asked_at_s == [5, 10]


async def test_the_end_waits_for_no_answer() -> None:
    begun: list[str] = []

    async def ask(sid: str) -> CallState:
        begun.append(sid)
        await asyncio.Event().wait()
        raise AssertionError

    clock = ManualClock()
    calls, asked, waiting = LostCalls(ask, MemoryCallStore(), clock), placed(), placed("CA" + "2" * 32)
    async with asyncio.timeout(5), calls.running():
        calls.add(asked)
        await clock.advance(5)
        calls.add(waiting)
        await settle()
        calls.add(placed("CA" + "3" * 32))  # has not even begun
    assert begun == [CALL]
    assert not len(calls)
    assert not asked.is_over
    calls.add(waiting)
    assert not len(calls)


async def test_a_mistake_of_ours_ends_nothing_else() -> None:
    record, asked_at_s = await after(100, TypeError("oops"))
    assert (record.status, asked_at_s) == ("in-progress", [5])


async def test_without_a_carrier_or_beyond_the_bound_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lost_calls, "_MAX_ASKED", 1)
    clock = ManualClock()
    nobody = LostCalls(None, MemoryCallStore(), clock)
    async with nobody.running():
        nobody.add(placed())
        assert not len(nobody)
    calls = LostCalls(Api(clock, GONE).state_of, MemoryCallStore(), clock)
    async with calls.running():
        calls.add(placed())
        calls.add(placed("CA" + "2" * 32))
        assert len(calls) == 1
    assert "this one is not" in caplog.text
