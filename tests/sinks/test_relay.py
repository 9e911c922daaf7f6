"""A call in somebody else's hands: what an application gets, what it may do, and what its faults cost."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from base64 import b64encode
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from bridge.calls.event import MarkReached
from bridge.errors import ConfigurationError
from bridge.sinks.registry import find
from bridge.sinks.sink import BoundSink
from bridge.testing import ScriptedCall, settle
from tests.session.test_session import Phone
from tests.sinks.receivers import Application, Behaviour

SAID = bytes((n * 7) % 256 for n in range(160 * 10))


def relay(url: str, **options: Any) -> BoundSink:
    return find("relay").bind({"url": url, **options})


def stream_sid(messages: list[dict[str, Any]]) -> str:
    return str(messages[1]["streamSid"])


def says(*messages: dict[str, Any], then: Behaviour | None = None) -> Behaviour:
    """An application that says this once its stream has begun."""

    async def behave(connection: ServerConnection) -> None:
        await connection.recv()
        sid = json.loads(await connection.recv())["streamSid"]
        for message in messages:
            await connection.send(json.dumps({"streamSid": sid, **message}))
        if then is not None:
            await then(connection)

    return behave


def media(payload: bytes) -> dict[str, Any]:
    return {"event": "media", "media": {"payload": b64encode(payload).decode()}}


def mark(name: str) -> dict[str, Any]:
    return {"event": "mark", "mark": {"name": name}}


async def test_the_application_gets_twilios_messages_in_twilios_order() -> None:
    application = Application()
    call = ScriptedCall(parameters={"a": "call's", "b": "call's"})
    async with application.running() as url:
        options = {"parameters": {"b": "option's"}, "account_sid": "AC" + "9" * 32}
        async with call.running(relay(url, **options)):
            await call.speaks(SAID)
            call.presses("4")
            call.presses("#")
            call.sends(SAID[:50])
        await application.until(lambda: bool(application.closes))
    (messages,) = application.streams
    assert application.events() == ["connected", "start", "dtmf", "dtmf", "stop"]
    assert messages[-1]["event"] == "stop"
    start = messages[1]["start"]
    assert (start["callSid"], start["accountSid"]) == (call.session.sid, "AC" + "9" * 32)
    assert start["customParameters"] == {"a": "call's", "b": "option's"}
    assert start["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    assert start["streamSid"] != call.session.stream_sid
    assert application.audio() == SAID + SAID[:50]
    assert [one["media"]["timestamp"] for one in application.of_kind("media")][:3] == ["0", "20", "40"]
    assert [one["dtmf"]["digit"] for one in application.of_kind("dtmf")] == ["4", "#"]
    numbers = [int(message["sequenceNumber"]) for message in messages[1:]]
    assert numbers == list(range(1, len(messages)))
    assert application.closes == [1000]
    assert call.outcomes == {"relay": "done"}
    assert call.losses == {}


async def test_the_handshake_looks_like_twilios() -> None:
    application = Application()
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url)):
        await application.until(lambda: bool(application.headers))
    headers = application.headers[0]
    assert headers["User-Agent"] == "Twilio.TmeWs/1.0"
    assert not {"Origin", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Cookie"} & set(headers)


async def test_what_the_application_says_is_heard_and_its_marks_come_back_under_their_own_names() -> None:
    spoken = says(media(b"\x11" * 320), mark("one"), mark("two"), media(b"\x22" * 160), mark("three"))
    application = Application(spoken)
    call = ScriptedCall()
    names: list[str] = []
    async with application.running() as url, call.running(relay(url)):
        await call.session.mark("somebody else's")
        while len(application.streams) < 1 or len(application.of_kind("mark")) < 3:
            await call.is_silent(20)
            await asyncio.sleep(0.001)
        call.ends()
        names = [event.name async for event in call.session.events() if isinstance(event, MarkReached)]
    assert call.heard == b"\x11" * 320 + b"\x22" * 160
    assert [one["mark"]["name"] for one in application.of_kind("mark")] == ["one", "two", "three"]
    assert {name.rpartition("/")[2] for name in names} == {"somebody else's", "one", "two", "three"}
    assert sum("/" in name for name in names) == 3, "another sink's `one` is another mark"


async def test_a_clear_stops_what_plays_and_brings_the_marks_behind_it_back() -> None:
    application = Application(says(media(b"\x11" * 80_000), mark("never"), {"event": "clear"}))
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url)):
        await application.until(lambda: bool(application.streams and application.of_kind("mark")))
        await call.is_silent(500)
    assert [one["mark"]["name"] for one in application.of_kind("mark")] == ["never"]
    assert len(call.heard) < 8000, "ten seconds were cut"


async def test_what_is_no_message_of_the_protocol_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async def mumble(connection: ServerConnection) -> None:
        await connection.send(b"\x00\x01")
        await connection.send("hello")
        await connection.send(json.dumps({"event": "mark", "streamSid": "MZ0", "mark": {"name": "x"}}))

    application = Application(says(mark("before"), then=mumble))
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url)):
        await application.until(lambda: bool(application.streams and application.of_kind("mark")))
        await call.speaks(SAID)
    assert application.audio() == SAID
    assert call.outcomes == {"relay": "done"}
    assert [record.args[1] for record in caplog.records if "message ignored" in record.msg] == [31950, 31951]  # type: ignore[index]


async def test_an_application_that_dies_gets_a_new_stream_of_the_same_call_and_the_loss_is_told() -> None:
    async def hear_ten_frames_and_die(connection: ServerConnection) -> None:
        for _ in range(2 + 10):
            await connection.recv()
        connection.transport.abort()

    application = Application(hear_ten_frames_and_die)
    call = ScriptedCall()
    async with application.running() as url:
        async with call.running(relay(url)):
            await call.speaks(SAID)
            await application.until(lambda: len(application.closes) == 1)
            await settle()
            call.presses("9")  # while it is away
            call.sends(SAID[:160])
            await application.until(lambda: len(application.streams) == 2)
        await application.until(lambda: len(application.closes) == 2)
    first, second = application.headers, application.streams[1]
    assert len(first) == 2
    assert second[1]["start"]["callSid"] == call.session.sid
    assert application.events(1) == ["connected", "start", "dtmf", "stop"]
    assert application.audio(1) == SAID[:160]
    assert call.losses == {f"relay {url.removesuffix('/media')}": 200}, "ten frames may not have arrived"
    assert call.outcomes == {"relay": "done"}


async def test_each_new_stream_has_a_sid_of_its_own() -> None:
    sids: list[str] = []

    async def note_and_die(connection: ServerConnection) -> None:
        await connection.recv()
        sids.append(json.loads(await connection.recv())["streamSid"])
        connection.transport.abort()

    application = Application(note_and_die, note_and_die)
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url)):
        await application.until(lambda: len(application.streams) == 3 and len(application.streams[2]) >= 2)
    assert len({*sids, stream_sid(application.streams[2])}) == 3


async def test_an_application_that_closes_normally_is_done_and_the_call_goes_on() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.close(1000)

    application = Application(says(then=leave))
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url)):
        while call.outcomes.get("relay") != "done":
            await call.is_silent(20)
            await asyncio.sleep(0.001)
        assert call.session.end_reason is None
    assert len(application.streams) == 1
    assert call.losses == {}


async def test_with_hang_up_its_normal_close_ends_the_call() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.close(1000)

    application = Application(says(then=leave))
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url, hang_up=True)) as run:
        await asyncio.wait_for(asyncio.shield(run), 10)
    assert call.session.end_reason == "hangup"


async def test_an_application_that_does_not_answer_pings_is_left_and_called_again() -> None:
    async def read_nothing(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    application = Application(read_nothing)
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url, ping_s=0.05, max_queue_ms=1000)):
        await call.speaks(SAID)
        await application.until(lambda: len(application.streams) == 2)
        call.sends(SAID[:160])
        await application.until(lambda: bool(application.audio(1)))
        call.ends()
    assert sum(call.losses.values()) == 200
    assert application.audio(1) == SAID[:160]


async def test_one_that_does_not_read_to_the_end_costs_the_audio_and_no_more_time_than_the_grace() -> None:
    async def read_nothing(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    application = Application(read_nothing)
    call = ScriptedCall(grace_s=0.1)
    async with application.running() as url, call.running(relay(url)):
        await application.until(lambda: bool(application.streams))
        await call.speaks(SAID)
    assert call.outcomes == {"relay": "cancelled"}
    assert sum(call.losses.values()) == 200


async def test_what_was_confirmed_by_a_pong_is_not_counted_as_lost() -> None:
    heard = asyncio.Event()

    async def hear_and_die(connection: ServerConnection) -> None:
        for _ in range(2 + 10):
            await connection.recv()
        await heard.wait()
        connection.transport.abort()

    application = Application(hear_and_die)
    call = ScriptedCall()
    async with application.running() as url, call.running(relay(url, ping_s=0.02)):
        await call.speaks(SAID)
        await asyncio.sleep(0.3)  # a dozen pings
        heard.set()
        await application.until(lambda: len(application.streams) == 2)
    assert call.losses == {}


@pytest.mark.parametrize("status", [401, 404])
async def test_a_refusal_is_final_and_all_audio_is_lost(status: int) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    attempts: list[bytes] = []
    call = ScriptedCall()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with call.running(relay(f"ws://127.0.0.1:{port}/")) as run:
            await call.speaks(SAID)
            call.ends()
            await asyncio.wait([run])
    assert len(attempts) == 1
    assert call.losses == {f"relay ws://127.0.0.1:{port}": 200}
    assert call.outcomes == {"relay": "done"}


async def test_redirects_are_not_followed() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nConnection: close\r\n\r\n".encode())
        writer.close()

    application = Application()
    call = ScriptedCall()
    async with application.running() as url, await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        here = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with call.running(relay(here)) as run:
            await call.speaks(SAID)
            call.ends()
            await asyncio.wait([run])
    assert application.streams == []
    assert sum(call.losses.values()) == 200


async def test_where_nobody_listens_it_tries_as_often_as_it_may_and_counts_the_rest_as_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    call = ScriptedCall()
    async with call.running(relay(f"ws://127.0.0.1:{port}", attempts=2)):
        await call.speaks(SAID)
        while "not tried again" not in caplog.text:
            await asyncio.sleep(0.005)
        await call.speaks(SAID)
    assert caplog.text.count("trying again") == 1
    assert call.losses == {f"relay ws://127.0.0.1:{port}": 400}


async def test_an_application_that_comes_late_hears_the_call_from_its_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    application = Application()
    call = ScriptedCall()
    async with call.running(relay(f"ws://127.0.0.1:{port}/media")):
        await call.speaks(SAID)
        async with application.running(port):
            await application.until(lambda: bool(application.streams) and len(application.audio()) == 1600)
            call.ends()
            await application.until(lambda: bool(application.closes))
    assert application.audio() == SAID
    assert call.losses == {}


async def test_logins_and_queries_reach_the_application_and_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die(connection: ServerConnection) -> None:
        connection.transport.abort()

    caplog.set_level(logging.INFO)
    application = Application(die)
    call = ScriptedCall()
    async with application.running() as url:
        secret = url.replace("//", "//me:hunter2@") + "?key=topsecret"
        async with call.running(relay(secret)):
            await call.speaks(SAID)
            await application.until(lambda: len(application.streams) == 2)
    assert application.headers[0]["Authorization"].startswith("Basic ")
    assert "trying again" in caplog.text
    for word in ("hunter2", "topsecret", "me:"):
        assert word not in caplog.text
        assert word not in str(call.losses)


async def test_on_a_one_way_stream_the_application_hears_and_is_not_heard() -> None:
    application = Application(says(media(b"\x11" * 160), {"event": "clear"}))
    phone = Phone(tracks=("inbound", "outbound"), grace_s=5)
    async with application.running() as url, asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([relay(url)]))
        await application.until(lambda: bool(application.streams))
        phone.says()
        await application.until(lambda: bool(application.audio()))
        phone.stops()
    assert phone.socket.sent == []
    assert phone.session.record.sinks == {"relay": "done"}


@pytest.mark.parametrize("url", ["https://x/y", "wss://", "ws://u:secret@", "ws://a b/", "ws://a:99999/"])
def test_a_url_that_is_none_is_found_before_a_call_comes(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ws:// or wss://") as error:
        relay(url)
    assert "secret" not in str(error.value)
