"""The events of all calls over HTTP and WebSocket, from calls that really run."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.app import Bridge, create_app
from bridge.calls.feed import HEARTBEAT_S, FeedItem, Heartbeat
from bridge.settings import Settings
from bridge.testing import ManualClock, settle
from bridge.web.event_stream import block
from tests.running import running
from tests.web.test_incoming import FORM
from tests.web.test_media_stream import Server, closed, opened, speak, twilio

Block = dict[str, str]
KEY = "a key of many characters"


class Following:
    """A bridge, an HTTP client of it, and its addresses."""

    def __init__(self, bridge: Bridge, port: int, http: aiohttp.ClientSession) -> None:
        self.bridge = bridge
        self.http = http
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.socket_url = f"ws://127.0.0.1:{port}/events"

    def server(self, tmp_path: Path) -> Server:
        return Server(self.bridge, self.port, tmp_path)

    @asynccontextmanager
    async def events(self, query: str = "", **headers: str) -> AsyncIterator[aiohttp.StreamReader]:
        """An open event stream, read up to the place where it begins."""
        async with self.http.get(f"{self.url}/events{query}", headers=headers) as answer:
            assert answer.status == 200
            yield answer.content

    async def post(self, path: str, **form: str) -> None:
        async with self.http.post(f"{self.url}{path}", data=form) as answer:
            assert answer.status < 300


@asynccontextmanager
async def following(tmp_path: Path, **settings: Any) -> AsyncIterator[Following]:
    app = create_app(Settings(recordings_dir=tmp_path, **settings))
    async with running(app) as port, aiohttp.ClientSession() as http:
        yield Following(app.state.bridge, port, http)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Following]:
    async with following(tmp_path) as one:
        yield one


async def next_block(content: aiohttp.StreamReader) -> Block:
    """Read on to the next empty line; an empty block is the end of the stream."""
    fields: Block = {}
    async for line in content:
        if line == b"\n":
            break
        name, _, value = line.decode().rstrip("\n").partition(":")
        assert name not in fields, "no field comes twice"
        fields[name] = value.removeprefix(" ")
    return fields


async def next_event(content: aiohttp.StreamReader) -> dict[str, Any]:
    fields = await next_block(content)
    while fields and "data" not in fields:
        fields = await next_block(content)
    told: dict[str, Any] = json.loads(fields["data"])
    assert (fields["event"], fields["id"]) == (told["event"], told["id"])
    return told


async def all_events(content: aiohttp.StreamReader) -> list[dict[str, Any]]:
    told = []
    while fields := await next_block(content):
        if "data" in fields:
            told.append(json.loads(fields["data"]))
    return told


def names(told: list[dict[str, Any]]) -> list[str]:
    return [str(one.get("status", one["event"])) for one in told]


async def test_the_answer_is_an_event_stream_that_nobody_may_keep_back(here: Following) -> None:
    async with here.http.get(f"{here.url}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
        begin = await next_block(answer.content)
    assert begin["retry"] == "2000"
    assert begin["id"].endswith("-0"), "who is cut off before the first event can go on all the same"


async def test_a_call_is_told_from_its_first_word_to_its_end(here: Following, tmp_path: Path) -> None:
    stream = twilio(1)
    sid = stream.start.callSid
    async with here.events() as content:
        await next_block(content)
        await here.post("/incoming-call", **(FORM | {"CallSid": sid}))
        media = await opened(here.server(tmp_path), stream)
        told = [await next_event(content) for _ in range(3)]
        await speak(media, stream, 5)
        await media.send(stream.dtmf("7").decode())
        await media.send(stream.stop().decode())
        told += [await next_event(content) for _ in range(3)]
    await media.close()
    assert names(told) == ["ringing", "stream-started", "in-progress", "dtmf", "stream-ended", "completed"]
    assert {one["call_sid"] for one in told} == {sid}
    assert [one["stream_sid"] for one in told] == [None, *[stream.start.streamSid] * 4, None]
    assert [one.get("number") for one in told] == [None, 1, 2, 3, 4, None]
    assert (told[3]["digit"], told[3]["at_ms"]) == ("7", 100)


async def test_a_call_that_is_over_before_anybody_looked_was_answered_all_the_same(
    here: Following, tmp_path: Path
) -> None:
    stream = twilio(4)
    async with here.events() as content:
        await next_block(content)
        await here.post("/incoming-call", **(FORM | {"CallSid": stream.start.callSid}))
        media = await connect(here.server(tmp_path).url, compression=None)
        # In one segment, so that the end is read before the task that keeps the record has run.
        for message in (*stream.open(), stream.stop()):
            media.protocol.send_text(message)
        media.transport.write(b"".join(media.protocol.data_to_send()))
        told = [await next_event(content) for _ in range(5)]
    await media.close()
    assert names(told) == ["ringing", "stream-started", "stream-ended", "in-progress", "completed"]


async def test_news_of_a_live_call_reaches_its_own_readers_too(here: Following, tmp_path: Path) -> None:
    stream = twilio(2)
    sid = stream.start.callSid
    async with here.events() as content:
        media = await opened(here.server(tmp_path), stream)
        told = [await next_event(content) for _ in range(2)]
        session = here.bridge.directory.find(sid)
        assert session is not None
        await here.post("/amd-status", CallSid=sid, AnsweredBy="machine_start")
        await here.post("/amd-status", CallSid=sid, AnsweredBy="machine_start")
        await media.send(stream.stop().decode())
        told += [await next_event(content) for _ in range(3)]
    await media.close()
    assert names(told) == ["stream-started", "in-progress", "amd", "stream-ended", "completed"]
    heard = [type(event).__name__ async for event in session.events()]
    assert heard == ["StreamStarted", "StateChanged", "MachineDetected", "StreamEnded"]


async def test_a_call_that_never_streams_is_told_as_well(here: Following) -> None:
    sid = FORM["CallSid"]
    async with here.events() as content:
        await here.post("/incoming-call", **(FORM | {"Direction": "outbound-api"}))
        await here.post("/amd-status", CallSid=sid, AnsweredBy="human")
        for number, status in enumerate(("initiated", "busy", "busy", "ringing")):
            await here.post("/call-status", CallSid=sid, CallStatus=status, SequenceNumber=str(number))
        told = [await next_event(content) for _ in range(3)]
        await here.post("/incoming-call", **(FORM | {"CallSid": "CA" + "9" * 32}))
        told.append(await next_event(content))
    assert names(told) == ["ringing", "amd", "busy", "ringing"]
    assert told[1]["answered_by"] == "human"
    assert [one["call_sid"] for one in told] == [sid, sid, sid, "CA" + "9" * 32]


async def test_a_reader_comes_back_with_the_last_id_it_saw(here: Following) -> None:
    here.bridge.feed.publish({"event": "state", "status": "ringing"}, call_sid="CA1")
    async with here.events("?last_event_id=0") as content:
        seen = (await next_event(content))["id"]
    here.bridge.feed.publish({"event": "state", "status": "busy"}, call_sid="CA1")
    async with here.events("?last_event_id=0", **{"Last-Event-ID": seen}) as content:
        assert (await next_event(content))["status"] == "busy", "the header is newer than the URL"
    async with here.events(f"?last_event_id={seen}") as content:
        assert (await next_event(content))["status"] == "busy"


async def test_one_call_can_be_chosen(here: Following) -> None:
    for sid in ("CA1", "CA2", "CA1"):
        here.bridge.feed.publish({"event": "state", "status": sid}, call_sid=sid)
    async with here.events("?last_event_id=0&call_sid=CA2") as content:
        here.bridge.feed.end()
        assert names(await all_events(content)) == ["CA2"]


def test_no_text_can_break_out_of_its_line() -> None:
    nasty = "a\nb\r\nc\rd\u2028e\x00\n\nevent: evil\ndata: {}"
    item = FeedItem("1-1", ManualClock().utc(), "CA1", None, {"event": "mark", "name": nasty})
    lines = block(item).split("\n")
    assert [line.partition(":")[0] for line in lines] == ["id", "event", "data", "", ""]
    assert block(item).isascii()
    assert "\r" not in block(item)
    assert json.loads(lines[2].removeprefix("data: "))["name"] == nasty


def test_a_heartbeat_dispatches_nothing_but_moves_the_place() -> None:
    assert block(Heartbeat("1-5")) == ":\nid: 1-5\n\n"


async def test_heartbeats_come_every_15_s_by_the_clock_that_was_passed_in(tmp_path: Path) -> None:
    clock = ManualClock()
    app = create_app(Settings(recordings_dir=tmp_path), clock=clock)
    async with running(app) as port, aiohttp.ClientSession() as http:
        one = Following(app.state.bridge, port, http)
        async with one.events() as content:
            await next_block(content)
            for _ in range(3):
                await settle()
                await clock.advance(HEARTBEAT_S)
                beat = await next_block(content)
                assert beat[""] == ""
                assert beat["id"].endswith("-0")


async def test_a_reader_that_reads_nothing_holds_up_nobody(here: Following) -> None:
    loop = asyncio.get_running_loop()
    sid = "CA" + "1" * 32
    with socket.create_connection(("127.0.0.1", here.port)) as silent:
        silent.setblocking(False)
        await loop.sock_sendall(silent, b"GET /events?last_event_id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await loop.sock_recv(silent, 12) == b"HTTP/1.1 200"
        async with here.events() as content:
            await next_block(content)
            for number in range(9000):
                mark = {"event": "mark", "name": "x" * 600, "fate": str(number)}
                here.bridge.feed.publish(mark, call_sid=sid)
            told = [await next_event(content) for _ in range(9000)]
        assert [one["fate"] for one in told] == [str(number) for number in range(9000)]


async def test_a_reader_that_leaves_is_forgotten(here: Following) -> None:
    async with here.events() as content:
        await next_block(content)
        async with asyncio.timeout(10):
            while not here.bridge.feed._news._waiters:
                await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while here.bridge.feed._news._waiters:
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["events", "socket"])
async def test_the_end_of_the_server_is_told_to_the_last_event(tmp_path: Path, kind: str) -> None:
    stream = twilio(3)
    async with (
        asyncio.timeout(10),  # uvicorn alone would wait for its readers for ever
        asyncio.TaskGroup() as group,
        aiohttp.ClientSession() as http,
        following(tmp_path) as here,
    ):
        media = await opened(here.server(tmp_path), stream)
        if kind == "events":
            answer = await http.get(f"{here.url}/events?last_event_id=0")
            telling = group.create_task(all_events(answer.content))
        else:
            telling = group.create_task(all_messages(f"{here.socket_url}?after=0"))
        while not here.bridge.feed._news._waiters:
            await asyncio.sleep(0)
    told = telling.result()
    assert names(told) == ["stream-started", "in-progress", "stream-ended", "completed"]
    assert told[2]["reason"] == "shutdown"
    assert (await closed(media))[0] == 1000


async def test_a_socket_with_much_to_catch_up_with_is_told_it_all_before_the_end(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group, following(tmp_path) as here:
        for number in range(5000):
            here.bridge.feed.publish({"event": "state", "status": str(number)}, call_sid="CA1")
        telling = group.create_task(all_messages(f"{here.socket_url}?after=0"))
        while not len(here.bridge.open_sockets):
            await asyncio.sleep(0)
    assert names(telling.result()) == [str(number) for number in range(5000)]


async def all_messages(url: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    async with connect(url) as events:
        with suppress(ConnectionClosed):
            while True:
                told += [json.loads(await events.recv())]
    assert (events.close_code, events.close_reason) == (1012, "server stops")
    return told


class TestSocket:
    async def test_it_tells_the_same_json(self, here: Following) -> None:
        async with here.events() as content, connect(here.socket_url) as events:
            await next_block(content)
            await (await events.ping())
            while len(here.bridge.feed._news._waiters) < 2:
                await asyncio.sleep(0)
            await here.post("/incoming-call", **FORM)
            assert json.loads(await events.recv()) == await next_event(content)

    async def test_it_goes_on_after_an_id_and_chooses_a_call(self, here: Following) -> None:
        for number in range(4):
            sid = f"CA{number % 2}"
            here.bridge.feed.publish({"event": "state", "status": str(number)}, call_sid=sid)
        async with connect(f"{here.socket_url}?after=0") as events:
            first = json.loads(await events.recv())
        async with connect(f"{here.socket_url}?after={first['id']}&call_sid=CA0") as events:
            assert json.loads(await events.recv())["status"] == "2"

    async def test_what_is_sent_to_it_is_ignored(self, here: Following) -> None:
        async with connect(here.socket_url) as events:
            await events.send("hello")
            await events.send(b"\x00" * 1000)
            await (await events.ping())
            while not here.bridge.feed._news._waiters:
                await asyncio.sleep(0)
            await here.post("/incoming-call", **FORM)
            assert json.loads(await events.recv())["status"] == "ringing"

    async def test_a_reader_that_leaves_is_forgotten(self, here: Following) -> None:
        async with connect(here.socket_url):
            while not here.bridge.feed._news._waiters:
                await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while here.bridge.feed._news._waiters:
                await asyncio.sleep(0)

    async def test_a_page_of_another_site_is_refused(self, here: Following) -> None:
        async with connect(here.socket_url, origin=f"http://127.0.0.1:{here.port}"):  # type: ignore[arg-type]
            pass
        with pytest.raises(InvalidStatus) as caught:
            await connect(here.socket_url, origin="http://localhost:1")  # type: ignore[arg-type]
        assert caught.value.response.status_code == 403
        assert json.loads(caught.value.response.body)["code"] == "foreign_origin"


async def test_both_ask_for_the_key(tmp_path: Path) -> None:
    async with following(tmp_path, api_key=KEY) as here:
        async with here.http.get(f"{here.url}/events") as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (401, "no_key")
        with pytest.raises(InvalidStatus) as caught:
            await connect(here.socket_url)
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body)["code"] == "no_key"
        bearer = {"Authorization": f"Bearer {KEY}"}
        async with here.events(**bearer) as content:
            assert "retry" in await next_block(content)
        async with connect(here.socket_url, additional_headers=bearer) as events:
            await (await events.ping())
