from __future__ import annotations

import asyncio

import pytest
from twilio.twiml.voice_response import VoiceResponse  # type: ignore[import-untyped]

from bridge.carrier.call.request import Document
from tests.carrier.signalling_stage import CallingPhone, FastClock, application, call_in, exchange, twiml


def inline(body: str) -> Document:
    return Document(twiml=f"<Response>{body}</Response>")


def codes(call: object) -> list[int | None]:
    return [alert.code for alert in call.alerts]  # type: ignore[attr-defined]


@pytest.mark.parametrize("body", ["", "<Hangup/>", "<Hangup/><Reject/>", "<Pause/>"])
async def test_everything_but_a_refusal_is_an_answered_call(body: str) -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline(body))
        assert call.status == "completed"
        assert phone.was_answered.is_set()
        assert codes(call) == []


@pytest.mark.parametrize(
    ("body", "status", "sip_status"),
    [
        ("<Reject/>", "no-answer", 404),
        ('<Reject reason="rejected"/>', "no-answer", 404),
        ('<Reject reason="busy"/><Say>never</Say>', "busy", 486),
        ("<Pause/><Reject/>", "no-answer", 404),
    ],
)
async def test_reject_refuses_without_answering(body: str, status: str, sip_status: int) -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline(body))
        assert call.status == status
        assert call.duration_s is None
        assert phone.refused_with == sip_status
        assert not phone.was_answered.is_set()
        assert phone.heard == b""


async def test_reject_after_the_answer_hangs_up() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline("<Say>x</Say><Reject/>"))
        assert call.status == "completed"
        assert phone.refused_with is None


async def test_a_pause_before_the_answer_delays_it() -> None:
    clock = FastClock()
    async with exchange(clock) as switch:
        call, _ = await call_in(switch, inline('<Pause length="5"/><Hangup/>'))
        assert call.started is not None
        assert call.answered is not None
        assert (call.answered - call.started).total_seconds() >= 5


async def test_unknown_verbs_warn_with_12200_and_the_rest_runs() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline("<say>x</say><Sing/><Echo/><Start/><Stop/><Say>x</Say>"))
        assert call.status == "completed"
        assert codes(call) == [12200, 12200, None, None, None, None]
        assert "<sing>" not in str(call.alerts[1])
        assert any(byte not in b"\xff\x7f" for byte in phone.heard)  # the tone


async def test_redirect_goes_to_another_document_and_nothing_after_it_runs() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/a/first"] = twiml('<Redirect method="GET">second?x=1</Redirect><Reject/>')
        program.answers["/a/second"] = twiml("<Redirect>/third</Redirect>")
        program.answers["/third"] = twiml("<Hangup/>")
        call, _ = await call_in(switch, Document(url=f"{program.url}/a/first"))
        [first], [second], [third] = (program.asked[path] for path in ("/a/first", "/a/second", "/third"))
        assert (first.method, second.method, third.method) == ("POST", "GET", "POST")
        assert second.fields["x"] == "1"
        assert {first.fields["CallStatus"], second.fields["CallStatus"], third.fields["CallStatus"]} == {
            "ringing"
        }
        assert all(asked.signed() for asked in (first, second, third))
        assert call.status == "completed"


async def test_redirect_keeps_the_calls_fallback() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/first"] = twiml("<Redirect>/gone</Redirect>")
        program.answers["/gone"] = twiml("<")
        program.answers["/fallback"] = twiml("<Reject/>")
        document = Document(url=f"{program.url}/first", fallback_url=f"{program.url}/fallback")
        call, phone = await call_in(switch, document)
        assert program.asked["/fallback"][0].fields["ErrorCode"] == "12100"
        assert phone.refused_with == 404
        assert codes(call) == [12100]


async def test_an_odd_method_warns_and_posts() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        body = f'<Redirect method="PUT">{program.url}/next</Redirect>'
        call, _ = await call_in(switch, inline(body))
        assert [asked.method for asked in program.asked["/next"]] == ["POST"]
        assert codes(call)[0] == 12200


async def test_a_redirect_to_nowhere_ends_the_call() -> None:
    async with exchange(FastClock()) as switch:
        call, _ = await call_in(switch, inline("<Say>x</Say><Redirect/><Say>y</Say>"))
        assert call.status == "completed"
        assert codes(call) == [None, 12200]


async def test_endless_redirects_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.carrier.call.interpreter.MAX_DOCUMENTS", 5)
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/loop"] = twiml("<Redirect>/loop</Redirect>")
        call, _ = await call_in(switch, Document(url=f"{program.url}/loop"))
        assert len(program.asked["/loop"]) == 5
        assert call.over


async def test_when_nothing_can_be_run_the_caller_hears_so() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = twiml("<Say>")
        call, phone = await call_in(switch, Document(url=f"{program.url}/voice"))
        assert call.status == "completed"
        assert phone.was_answered.is_set()
        assert any(byte not in b"\xff\x7f" for byte in phone.heard)
        assert codes(call) == [12100]


async def test_a_document_made_by_the_helper_library_runs() -> None:
    document = VoiceResponse()
    document.say("Hello", voice="alice", loop=2)
    document.pause(length=1)
    document.play(digits="1w2")
    document.hangup()
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, Document(twiml=str(document)))
        assert call.status == "completed"
        assert codes(call) == [None]
        # Two tones of 0.4 s, a second of silence, two digits with their gaps and half a second between them.
        assert 2.6 <= len(phone.heard) / 8000 <= 3.0


async def test_a_caller_who_gives_up_ends_everything() -> None:
    phone = CallingPhone()
    async with exchange(FastClock()) as switch, asyncio.TaskGroup() as group:
        calling = group.create_task(call_in(switch, inline('<Pause length="1000"/>'), phone))
        await asyncio.sleep(0)
        phone.give_up()
    call, _ = calling.result()
    assert (call.status, call.sip_status) == ("no-answer", 487)
