"""The media socket as strangers use it: well, badly, and not at all."""

from __future__ import annotations

import asyncio
import json
import wave
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.app import Bridge, create_app
from bridge.audio import g711
from bridge.mediastream import messages as wire
from bridge.mediastream.twilio_side import TwilioStream
from bridge.server.websocket import WebSocketProtocol
from bridge.settings import Settings, SinkChoice
from bridge.twilio.signature import sign
from tests.running import running

TOKEN = "an auth token"
ACCOUNT = "AC" + "0" * 32
FRAME = bytes(range(160))


class Server:
    """A running bridge and how to reach it."""

    def __init__(self, bridge: Bridge, port: int, recordings: Path) -> None:
        self.bridge = bridge
        self.url = f"ws://127.0.0.1:{port}/media-stream"
        self.recordings = recordings

    def recorded(self, call_sid: str) -> list[Path]:
        return sorted(self.recordings.glob(f"*_{call_sid}_*.wav"))

    async def until_idle(self) -> None:
        while len(self.bridge.directory):
            await asyncio.sleep(0)


async def serving(
    tmp_path: Path, websocket: type[asyncio.Protocol] | str, **changes: Any
) -> AsyncIterator[Server]:
    settings = Settings(recordings_dir=tmp_path, sinks=(SinkChoice("wav"), SinkChoice("echo")), **changes)
    app = create_app(settings)
    async with running(app, websocket) as port:
        yield Server(app.state.bridge, port, tmp_path)


@pytest.fixture(params=["ours", "uvicorn's"])
def websocket(request: pytest.FixtureRequest) -> type[asyncio.Protocol] | str:
    """Both ways a socket may come to the route: by callback, and through ASGI's receive and send."""
    return WebSocketProtocol if request.param == "ours" else "websockets-sansio"


@pytest.fixture
async def server(tmp_path: Path, websocket: type[asyncio.Protocol] | str) -> AsyncIterator[Server]:
    async for one in serving(tmp_path, websocket):
        yield one


@pytest.fixture
async def strict(tmp_path: Path, websocket: type[asyncio.Protocol] | str) -> AsyncIterator[Server]:
    """A server with real credentials, at a public address."""
    changes = {
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": TOKEN,
        "public_url": "https://bridge.example.com",
        "start_timeout_s": 0.3,
        "unsigned_sockets_max": 2,
    }
    async for one in serving(tmp_path, websocket, **changes):
        yield one


def twilio(number: int = 1, parameters: dict[str, str] | None = None) -> TwilioStream:
    sid = f"{number:032x}"
    return TwilioStream(wire.StartBody(ACCOUNT, f"CA{sid}", f"MZ{sid}", customParameters=parameters or {}))


async def opened(server: Server, stream: TwilioStream) -> ClientConnection:
    socket = await connect(server.url, compression=None)
    for message in stream.open():
        await socket.send(message.decode())
    return socket


async def speak(socket: ClientConnection, stream: TwilioStream, frames: int, *, first_ms: int = 100) -> None:
    for n in range(frames):
        await socket.send(stream.media(FRAME, first_ms + 20 * n).decode())


async def echoed(socket: ClientConnection, frames: int) -> None:
    """Wait until so much has come back; what waits for the lead comes in larger messages."""
    length = 0
    while length < frames * 160:
        message = json.loads(await socket.recv())
        length += len(b64decode(message["media"]["payload"])) if message["event"] == "media" else 0


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Wait for the close; what came before it does not matter."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def good_call(server: Server, number: int, frames: int = 10) -> None:
    """A call from start to stop whose recording must be whole."""
    stream = twilio(number)
    socket = await opened(server, stream)
    await speak(socket, stream, frames)
    await echoed(socket, frames)
    await socket.send(stream.stop().decode())
    assert (await closed(socket))[0] == 1000
    await server.until_idle()
    with wave.open(str(server.recorded(stream.start.callSid)[-1])) as file:
        assert file.getnframes() == frames * 160
        assert file.readframes(160 * frames)[0:2] == g711.decode_ulaw(FRAME[:1])


async def test_a_call_is_heard_echoed_and_recorded(server: Server) -> None:
    await good_call(server, 1)


async def test_a_silent_socket_connects_stays_and_gets_nothing(server: Server) -> None:
    async with connect(server.url) as socket:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        await (await socket.ping())
        await good_call(server, 2)


@pytest.mark.parametrize(
    ("message", "code", "words"),
    [
        ("hello", 1007, "not JSON"),
        ('{"no":"event"}', 1008, '"event"'),
        (b"\x00\x01", 1003, "binary message"),
        (twilio().open()[0].decode().replace("connected", "media"), 1007, "bad media"),
        ('{"event":"media","media":{"payload":""}}', 1008, 'before "start"'),
        ("x" * 70_000, 1009, ""),
    ],
)
async def test_a_bad_first_message_closes_with_a_reason_and_disturbs_nobody(
    server: Server, message: str | bytes, code: int, words: str
) -> None:
    other = twilio(50)
    neighbour = await opened(server, other)
    async with connect(server.url) as socket:
        await socket.send(message)
        got, reason = await closed(socket)
        assert got == code
        assert words in reason
    await speak(neighbour, other, 3)
    await echoed(neighbour, 3)
    await neighbour.close()
    await server.until_idle()


async def test_bad_messages_after_start_are_counted_and_the_call_goes_on(server: Server) -> None:
    stream = twilio(3)
    socket = await opened(server, stream)
    await speak(socket, stream, 2)
    for bad in (
        "hello",
        stream.open.__doc__ or "",
        '{"event":"media","media":{}}',
        *map(bytes.decode, twilio(3).open()),
    ):
        await socket.send(bad)
    await socket.send(b"\xff\xff")
    await socket.send('{"event":"weather"}')
    repeated = stream.media(FRAME, 140).decode()
    for _ in range(3):
        await socket.send(repeated)
    await socket.send(stream.media(FRAME, 10**25).decode())
    await socket.send(stream.media(FRAME, -7).decode())
    await echoed(socket, 5)
    await socket.send(stream.stop().decode())
    assert (await closed(socket))[0] == 1000
    await server.until_idle()
    record = await server.bridge.store.get(stream.start.callSid)
    assert record is not None
    counters = record.streams[0].counters
    assert (counters.frames, counters.duplicates, counters.violations) == (5, 2, 6)
    assert counters.samples == 5 * 160


async def test_an_oversize_message_ends_its_own_call_and_keeps_its_recording(server: Server) -> None:
    stream = twilio(4)
    socket = await opened(server, stream)
    await speak(socket, stream, 5)
    await echoed(socket, 5)
    await socket.send("x" * 70_000)
    assert (await closed(socket))[0] == 1009
    await server.until_idle()
    with wave.open(str(server.recorded(stream.start.callSid)[0])) as file:
        assert file.getnframes() == 800


async def test_two_streams_with_the_same_sids_are_two_sessions(server: Server) -> None:
    first, second = twilio(5), twilio(5)
    one, two = await opened(server, first), await opened(server, second)
    await speak(one, first, 4)
    await speak(two, second, 7)
    await echoed(one, 4)
    await echoed(two, 7)
    await one.close()
    await speak(two, second, 1, first_ms=240)
    await echoed(two, 1)
    await two.send(second.stop().decode())
    await closed(two)
    await server.until_idle()
    lengths = set()
    for path in server.recorded(first.start.callSid):
        with wave.open(str(path)) as file:
            lengths.add(file.getnframes() // 160)
    assert lengths == {4, 8}


async def test_a_vanished_peer_leaves_a_whole_recording_and_no_task(server: Server) -> None:
    before = len(asyncio.all_tasks())
    stream = twilio(6)
    socket = await opened(server, stream)
    await speak(socket, stream, 5)
    await echoed(socket, 5)
    socket.transport.abort()
    await server.until_idle()
    with wave.open(str(server.recorded(stream.start.callSid)[0])) as file:
        assert file.getnframes() == 800
    record = await server.bridge.store.get(stream.start.callSid)
    assert record is not None
    assert record.streams[0].end == "lost"
    while len(asyncio.all_tasks()) > before:
        await asyncio.sleep(0)


@pytest.mark.parametrize("sid", ["CA", "../../../etc/passwd", "CA" + "z" * 32, "CA" + "0" * 33, ""])
async def test_absurd_sids_never_open_a_stream(server: Server, sid: str) -> None:
    stream = TwilioStream(wire.StartBody(ACCOUNT, sid, "MZ" + "0" * 32))
    socket = await opened(server, stream)
    code, reason = await closed(socket)
    assert code == 1008
    assert "callSid" in reason


async def test_shutdown_finalises_recordings_and_says_goodbye(tmp_path: Path) -> None:
    app = create_app(Settings(recordings_dir=tmp_path, sinks=(SinkChoice("wav"), SinkChoice("echo"))))
    async with running(app) as port:
        server = Server(app.state.bridge, port, tmp_path)
        stream = twilio(7)
        socket = await opened(server, stream)
        await speak(socket, stream, 30)
        await echoed(socket, 30)
    assert (await closed(socket))[0] in {1000, 1001, 1012}
    with wave.open(str(server.recorded(stream.start.callSid)[0])) as file:
        assert file.getnframes() == 30 * 160
    record = await server.bridge.store.get(stream.start.callSid)
    assert record is not None
    assert record.streams[0].end == "shutdown"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_file_and_no_task_is_left_behind_however_calls_end(server: Server) -> None:
    await good_call(server, 20)  # whatever is opened once is open now
    files, tasks = open_files(), len(asyncio.all_tasks())
    for number in range(21, 41):
        stream = twilio(number)
        socket = await opened(server, stream)
        await speak(socket, stream, 3)
        await echoed(socket, 3)
        match number % 4:
            case 0:
                await socket.send(stream.stop().decode())
            case 1:
                await socket.close()
            case 2:
                socket.transport.abort()
            case 3:
                await socket.send("x" * 70_000)
        await socket.wait_closed()
    await server.until_idle()
    while len(asyncio.all_tasks()) > tasks or open_files() > files:
        await asyncio.sleep(0)
    assert len(list(server.recordings.glob("*.wav"))) == 21


# Who may stream, with real credentials


async def test_a_wrong_signature_is_refused_before_the_socket_opens(strict: Server) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(strict.url, additional_headers={"X-Twilio-Signature": "bm9wZQ=="})
    assert caught.value.response.status_code == 403
    problem = json.loads(caught.value.response.body)
    assert problem["code"] == "bad_signature"
    assert "BRIDGE_PUBLIC_URL" in problem["hint"]


@pytest.mark.parametrize(
    "signed_url",
    [
        "wss://bridge.example.com/media-stream",
        "wss://bridge.example.com:443/media-stream",
        "wss://bridge.example.com/media-stream/",
    ],
)
async def test_twilio_s_own_signature_opens_the_stream(strict: Server, signed_url: str) -> None:
    signature = sign(TOKEN, signed_url)
    stream = twilio(8)
    async with connect(strict.url, additional_headers={"X-Twilio-Signature": signature}) as socket:
        for message in stream.open():
            await socket.send(message.decode())
        await speak(socket, stream, 2)
        await echoed(socket, 2)


async def test_a_signature_for_plain_ws_is_no_good_at_a_wss_address(strict: Server) -> None:
    signature = sign(TOKEN, "ws://bridge.example.com/media-stream")
    with pytest.raises(InvalidStatus):
        await connect(strict.url, additional_headers={"X-Twilio-Signature": signature})


async def test_without_signature_and_token_the_start_is_refused(strict: Server) -> None:
    socket = await opened(strict, twilio(9))
    code, reason = await closed(socket)
    assert code == 1008
    assert "token" in reason


async def test_a_token_opens_one_stream_once(strict: Server) -> None:
    token = strict.bridge.tokens.mint()
    stream = twilio(10, {"bridge_token": token})
    socket = await opened(strict, stream)
    await speak(socket, stream, 1)
    await echoed(socket, 1)
    await socket.close()
    again = await opened(strict, twilio(11, {"bridge_token": token}))
    assert await closed(again) == (1008, "the stream token is wrong, expired or used already")


async def test_an_unsigned_socket_has_a_time_limit_and_a_number_limit(strict: Server) -> None:
    first, second = await connect(strict.url), await connect(strict.url)
    with pytest.raises(InvalidStatus) as caught:
        await connect(strict.url)
    assert caught.value.response.status_code == 503
    assert json.loads(caught.value.response.body)["code"] == "too_many_unsigned"
    assert await closed(first) == (1008, "no valid start message within 0.3 s")
    await closed(second)
    await (await connect(strict.url)).close()


async def test_the_token_never_reaches_a_sink(strict: Server) -> None:
    token = strict.bridge.tokens.mint()
    stream = twilio(
        12, {"bridge_token": token, "bridge_from": "+12025550123", "bridge_to": "sip:x@y", "colour": "red"}
    )
    socket = await opened(strict, stream)
    await speak(socket, stream, 1)
    await echoed(socket, 1)
    session = strict.bridge.directory.find(stream.start.callSid)
    assert session is not None
    assert (session.from_, session.to, dict(session.parameters)) == (
        "+12025550123",
        "sip:x@y",
        {"colour": "red"},
    )
    await socket.close()
