from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.call.request import EVENTS, CallRequest, Document, MachineDetection, StatusCallback
from tests.carrier.signalling_stage import (
    TIMEOUT_S,
    Application,
    FastClock,
    application,
    exchange,
    twiml,
)

SAY = Document(twiml="<Response><Say>x</Say></Response>")


async def place(
    switch: Exchange, program: Application, to: str, document: Document = SAY, **options: Any
) -> CarrierCall:
    """Place a call whose every event is told, and wait until it and its callbacks are over."""
    callback = StatusCallback(f"{program.url}/cb", events=frozenset(EVENTS))
    options = {"status_callback": callback, **options}
    call = switch.place(CallRequest(to=to, from_="+15005550006", document=document, **options))
    async with asyncio.timeout(TIMEOUT_S):
        await call.finished.wait()
    await program.wait_for(lambda: len(program.asked["/cb"]) == call.callbacks_sent)
    return call


def told(program: Application) -> list[tuple[str, str]]:
    """Each callback's sequence number and status, in the order of the former."""
    return sorted(
        (asked.fields["SequenceNumber"], asked.fields["CallStatus"]) for asked in program.asked["/cb"]
    )


async def test_an_answered_call_tells_of_every_step() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        call = await place(switch, program, "sip:demo@localhost")
        assert told(program) == [
            ("0", "initiated"),
            ("1", "ringing"),
            ("2", "in-progress"),
            ("3", "completed"),
        ]
        assert all(asked.signed() for asked in program.asked["/cb"])
        last = max(program.asked["/cb"], key=lambda asked: asked.fields["SequenceNumber"]).fields
        assert last["CallbackSource"] == "call-progress-events"
        assert (last["CallDuration"], last["Duration"], last["SipResponseCode"]) == ("1", "1", "200")
        assert parsedate_to_datetime(last["Timestamp"]).tzinfo is not None
        assert (call.status, call.sip_status, call.duration_s) == ("completed", 200, 1)
        first = min(program.asked["/cb"], key=lambda asked: asked.fields["SequenceNumber"]).fields
        assert "CallDuration" not in first
        assert "SipResponseCode" not in first


@pytest.mark.parametrize(
    ("to", "steps", "status", "sip_status"),
    [
        ("sip:busy@localhost", ["initiated"], "busy", "486"),
        ("sip:declined@localhost", ["initiated", "ringing"], "busy", "603"),
        ("sip:unreachable@localhost", ["initiated"], "failed", "404"),
        ("sip:noanswer@localhost", ["initiated", "ringing"], "no-answer", "487"),
        ("sip:nobody@localhost", ["initiated"], "failed", "404"),
        ("+15551234567", ["initiated"], "failed", "404"),
    ],
)
async def test_how_an_unanswered_call_ends(to: str, steps: list[str], status: str, sip_status: str) -> None:
    async with application() as program, exchange(FastClock()) as switch:
        call = await place(switch, program, to, timeout_s=2)
        # The numbers count what was sent: steps that never came leave no hole.
        assert told(program) == [(str(number), step) for number, step in enumerate([*steps, status])]
        last = max(program.asked["/cb"], key=lambda asked: asked.fields["SequenceNumber"]).fields
        assert (last["CallDuration"], last["Duration"], last["SipResponseCode"]) == ("0", "0", sip_status)
        assert (call.status, call.duration_s, call.answered) == (status, None, None)
        assert call.ended is not None


async def test_ringing_ends_after_the_time_asked_for() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        call = await place(switch, program, "sip:noanswer@localhost", timeout_s=10)
        assert call.started is not None
        assert call.ended is not None
        assert (call.ended - call.started).total_seconds() >= 10


async def test_a_ringing_call_can_be_ended() -> None:
    async with application() as program, exchange(FastClock()) as switch, asyncio.TaskGroup() as group:
        placing = group.create_task(place(switch, program, "sip:noanswer@localhost", timeout_s=600))
        await program.wait_for(lambda: len(program.asked["/cb"]) == 2)
        [call] = switch.live()
        assert call.status == "ringing"
        call.orders.end.set()
    call = placing.result()
    assert (call.status, call.sip_status) == ("canceled", 487)
    assert told(program)[-1] == ("2", "canceled")


async def test_the_time_limit_ends_an_answered_call_and_can_be_changed() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = twiml('<Pause length="3600"/>')
        document = Document(url=f"{program.url}/voice")
        call = await place(switch, program, "sip:demo@localhost", document, time_limit_s=5)
        assert call.status == "completed"
        assert call.duration_s is not None
        assert 5 <= call.duration_s < 60
        assert "time limit" in str(call.alerts[-1])


async def test_digits_are_dialled_before_the_document_is_asked_for() -> None:
    clock = FastClock()
    async with application() as program, exchange(clock) as switch:
        program.answers["/voice"] = twiml("")
        document = Document(url=f"{program.url}/voice")
        call = await place(switch, program, "sip:demo@localhost", document, send_digits="WW1")
        assert call.duration_s is not None
        assert call.duration_s >= 3  # two waits of a second each, and a digit with its gap
        [asked] = program.asked["/voice"]
        assert asked.fields["CallStatus"] == "in-progress"
        assert asked.fields["Direction"] == "outbound-api"


async def test_machine_detection_answers_unknown_at_once() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = twiml("<Say>x</Say>")
        document = Document(url=f"{program.url}/voice")
        call = await place(
            switch, program, "sip:demo@localhost", document, machine_detection=MachineDetection("Enable")
        )
        assert call.answered_by == "unknown"
        assert program.asked["/voice"][0].fields["AnsweredBy"] == "unknown"
        assert "machine detection" in str(call.alerts[0])


async def test_asynchronous_machine_detection_has_its_own_callback() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = twiml("<Say>x</Say>")
        call = await place(
            switch,
            program,
            "sip:demo@localhost",
            Document(url=f"{program.url}/voice"),
            machine_detection=MachineDetection("Enable", f"{program.url}/amd"),
        )
        await program.wait_for(lambda: bool(program.asked["/amd"]))
        [amd] = program.asked["/amd"]
        assert amd.signed()
        assert amd.fields == {
            "AccountSid": call.account_sid,
            "CallSid": call.sid,
            "AnsweredBy": "unknown",
            "MachineDetectionDuration": "0",
        }
        assert "AnsweredBy" not in program.asked["/voice"][0].fields
        last = max(program.asked["/cb"], key=lambda asked: asked.fields["SequenceNumber"]).fields
        assert last["AnsweredBy"] == "unknown"
