from __future__ import annotations

import asyncio
import json

import pytest

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.verb_connect import stream_url
from bridge.carrier.webhook.script import Script
from tests.carrier.call.test_interpreter import codes, inline
from tests.carrier.signalling_stage import (
    SPOKEN,
    Application,
    CallingPhone,
    FastClock,
    application,
    call_in,
    carrier,
    exchange,
    twiml,
)


def stream(program: Application, rest: str = "", inner: str = "", path: str = "/media-stream") -> str:
    url = program.url.replace("http", "ws") + path
    return f'<Stream url="{url}" {rest}>{inner}</Stream>'


async def run(program: Application, body: str) -> CarrierCall:
    """Run TwiML on a call to the demo phone, which speaks and hangs up."""
    async with carrier(FastClock(5)) as local:
        created = await local.create(twiml=f"<Response>{body}</Response>")
        await local.over(created.sid)
        return local.exchange.find(created.sid)


async def test_the_stream_gets_the_phones_voice_and_the_calls_sids() -> None:
    async with application() as program:
        inner = '<Parameter name="room" value="7"/><Parameter name="x" value="&lt;"/>'
        call = await run(program, f"<Connect>{stream(program, inner=inner)}</Connect>")
        connected, start, *_, stop = program.streams[0]
        assert connected["event"] == "connected"
        assert start["start"]["callSid"] == stop["stop"]["callSid"] == call.sid
        assert start["start"]["customParameters"] == {"room": "7", "x": "<"}
        assert program.heard().startswith(SPOKEN)
        [outcome] = call.streams
        assert outcome.reason == "call_ended"
        assert outcome.sent_frames == sum(one["event"] == "media" for one in program.streams[0])
        assert codes(call) == []


async def test_the_handshake_is_twilios_and_signed() -> None:
    async with application() as program:
        await run(program, f"<Connect>{stream(program)}</Connect>")
        [handshake] = program.handshakes
        assert handshake.headers["User-Agent"] == "Twilio.TmeWs/1.0"
        handshake.url = handshake.url.replace("http", "ws")  # as a server rebuilds it
        assert handshake.signed()
        assert not handshake.signed("another token")


async def test_the_server_closing_leads_to_the_next_verb() -> None:
    async with application() as program:
        program.close_after_frames = 5
        call = await run(program, f"<Connect>{stream(program)}</Connect><Say>bye</Say>")
        [outcome] = call.streams
        assert (outcome.reason, outcome.sent_frames) == ("server_closed", 5)
        assert codes(call) == [31921, None]
        assert call.status == "completed"


async def test_the_action_is_asked_and_takes_over() -> None:
    async with application() as program:
        program.close_after_frames = 3
        program.answers["/after"] = twiml("<Hangup/>")
        action = f"{program.url}/after"
        call = await run(
            program, f'<Connect action="{action}" method="GET">{stream(program)}</Connect><Sing/>'
        )
        [asked] = program.asked["/after"]
        assert asked.method == "GET"
        assert asked.signed()
        assert (asked.fields["CallSid"], asked.fields["CallStatus"]) == (call.sid, "in-progress")
        assert 12200 not in codes(call)  # what follows </Connect> is not run any more


async def test_stream_callbacks_tell_begin_and_end() -> None:
    async with application() as program:
        callback = f'name="mine" statusCallback="{program.url}/stream-status"'
        call = await run(program, f"<Connect>{stream(program, callback)}</Connect>")
        await program.wait_for(lambda: len(program.asked["/stream-status"]) == 2)
        started, stopped = program.asked["/stream-status"]
        sid = program.streams[0][1]["start"]["streamSid"]
        for asked, event in ((started, "stream-started"), (stopped, "stream-stopped")):
            assert asked.signed()
            timestamp = asked.fields.pop("Timestamp")
            assert timestamp.startswith("2026-01-01T12:00:")
            assert timestamp.endswith("Z")
            assert asked.fields == {
                "AccountSid": call.account_sid,
                "CallSid": call.sid,
                "StreamSid": sid,
                "StreamName": "mine",
                "StreamEvent": event,
            }


@pytest.mark.parametrize(
    ("noun", "code"),
    [
        ('<Stream url="ws://example.com/x"/>', 31922),
        ('<Stream url="https://localhost/x"/>', 31922),
        ('<Stream url="nonsense"/>', 31923),
        ("<Stream/>", 31923),
        ('<Stream url="ws://localhost/x" track="both_tracks"/>', 31941),
        ('<Stream url="ws://localhost/x" connectorName="mine"/>', 31940),
    ],
)
async def test_a_stream_that_cannot_be_is_named_and_the_call_goes_on(noun: str, code: int) -> None:
    async with application() as program, exchange(FastClock()) as switch:
        noun = noun.replace("<Stream", f'<Stream statusCallback="{program.url}/stream-status"')
        call, phone = await call_in(switch, inline(f"<Connect>{noun}</Connect><Say>next</Say>"))
        assert codes(call)[0] == code
        assert phone.was_answered.is_set()
        await program.wait_for(lambda: bool(program.asked["/stream-status"]))
        [asked] = program.asked["/stream-status"]
        assert asked.fields["StreamEvent"] == "stream-error"
        assert asked.fields["StreamError"]


async def test_a_server_that_refuses_the_socket_is_31920() -> None:
    async with (
        await asyncio.start_server(_answers_404, "127.0.0.1", 0) as server,
        exchange(FastClock()) as switch,
    ):
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        call, _ = await call_in(switch, inline(f'<Connect><Stream url="{url}"/></Connect>'))
        assert codes(call) == [31920]
        assert call.streams[0].reason == "failed"


async def _answers_404(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_odd_contents_warn() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.close_after_frames = 1
        long = "x" * 500
        body = (
            "<Connect><Conversation/>"
            + stream(
                program,
                'colour="red"',
                f'<Parameter name="a" value="{long}"/><Parameter name="b" value="1"/>',
                "/m?token=1",
            )
            + stream(program)
            + "</Connect><Connect/>"
        )
        call, _ = await call_in(switch, inline(body))
        assert codes(call) == [12200, 12200, 12200, None, None, 31921]
        assert len(program.streams) == 1
        assert program.handshakes[0].fields == {}  # the query was removed
        assert json.dumps(program.streams[0][1]["start"]["customParameters"]) == '{"b": "1"}'


async def test_a_redirect_tears_the_stream_down_and_the_new_document_runs() -> None:
    async with application() as program, carrier(FastClock(5)) as local:
        created = await local.create(twiml=f"<Response><Connect>{stream(program)}</Connect></Response>")
        await program.wait_for(lambda: bool(program.streams) and len(program.streams[0]) > 4)
        program.answers["/new"] = twiml("<Say>new</Say>")
        updated = await local.update(created.sid, url=f"{program.url}/new")
        assert updated.status == "in-progress"
        await local.over(created.sid)
        assert program.streams[0][-1]["event"] == "stop"
        assert len(program.asked["/new"]) == 1
        call = local.exchange.find(created.sid)
        assert [outcome.reason for outcome in call.streams] == ["call_ended"]


async def test_the_caller_hanging_up_sends_stop() -> None:
    phone = CallingPhone()
    async with application() as program, exchange(FastClock(5)) as switch, asyncio.TaskGroup() as group:
        document = inline(f"<Connect>{stream(program)}</Connect><Say>never</Say>")
        calling = group.create_task(call_in(switch, document, phone))
        await program.wait_for(lambda: bool(program.streams) and len(program.streams[0]) > 4)
        phone.give_up()
    call, _ = calling.result()
    assert program.streams[0][-1]["event"] == "stop"
    assert call.status == "completed"
    assert phone.freed >= 1


def test_stream_urls_may_be_relative_to_the_document() -> None:
    assert stream_url(Script(url="https://a.example/voice?x"), "/media") == "wss://a.example/media"
    assert stream_url(Script(url="http://localhost:5050/voice"), "media") == "ws://localhost:5050/media"
    assert stream_url(Script(url="https://a.example/"), "wss://b.example/m") == "wss://b.example/m"
    assert stream_url(Script(), "/media") == "/media"
