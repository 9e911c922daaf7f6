from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
import uvloop

from bridge.carrier.stream.connect import connect
from bridge.carrier.stream.socket import DEAD_BYTES, StreamSocket
from bridge.clock import SystemClock
from bridge.mediastream.messages import MAX_SERVER_MESSAGE_BYTES
from tests.carrier.raw_peer import accept, frame, raw_server, read_frame, read_request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

CLOCK = SystemClock()

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class WatchedSocket(StreamSocket):
    """Tells when it is no longer slow."""

    resumed: asyncio.Event | None = None

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.resumed is not None:
            self.resumed.set()


def is_slow(socket: StreamSocket) -> bool:
    return socket.slow


class Heard:
    """What the callbacks were given."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.binaries = 0
        self.socket = WatchedSocket(on_open=lambda: None, on_text=self.text, on_binary=self.binary)

    def text(self, data: memoryview) -> None:
        self.texts.append(bytes(data))

    def binary(self) -> None:
        self.binaries += 1


@asynccontextmanager
async def peer(act: Act) -> AsyncIterator[Heard]:
    """A connected socket whose server does ``act`` after the upgrade."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accept(await read_request(reader)))
        await act(reader, writer)

    heard = Heard()
    async with raw_server(script) as port, asyncio.timeout(10):
        assert await connect(heard.socket, f"ws://127.0.0.1:{port}/", signature=None) is None
        yield heard
        heard.socket.close()
        await heard.socket.gone(CLOCK, within_s=5)


async def after(*frames: bytes) -> tuple[Heard, list[tuple[int, bytes]]]:
    """Let the server send these frames; gives what was heard and what the client sent until it closed."""
    answers: list[tuple[int, bytes]] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(frames))
        try:
            while True:
                answers.append(await read_frame(reader))
        except asyncio.IncompleteReadError:
            pass

    async with peer(act) as heard:
        await heard.socket.ending()
        await heard.socket.gone(CLOCK, within_s=5)
    return heard, answers


END = frame(CLOSE, b"\x03\xe8")


async def test_text_and_binary_messages_arrive_whole() -> None:
    long = b"x" * 100_000
    heard, _ = await after(frame(TEXT, b"one"), frame(BINARY, b"\x00"), frame(TEXT, long), END)
    assert heard.texts == [b"one", long]
    assert heard.binaries == 1


async def test_fragments_are_joined_and_control_frames_may_come_between() -> None:
    heard, answers = await after(
        frame(TEXT, b"a", fin=False),
        frame(PING, b"?"),
        frame(CONTINUATION, b"b", fin=False),
        frame(CONTINUATION, b"c"),
        frame(BINARY, b"1", fin=False),
        frame(CONTINUATION, b"2"),
        END,
    )
    assert heard.texts == [b"abc"]
    assert heard.binaries == 1
    assert answers[0] == (PONG, b"?")


@pytest.mark.parametrize(
    "frames",
    [
        (frame(PING, b"", fin=False),),
        (frame(CONTINUATION, b"x"),),
        (frame(TEXT, b"x", fin=False), frame(TEXT, b"y")),
        (frame(TEXT, b"x", fin=False), frame(BINARY, b"y", fin=False)),
        (frame(TEXT, b"x", reserved=4),),
        (frame(3, b"x"),),
        (bytes([0x81, 0x81, 0, 0, 0, 0, 65]),),
        (frame(CLOSE, b"\x03"),),
        (frame(CLOSE, b"\x03\xe8\xff"),),
    ],
    ids=[
        "split-ping",
        "lone",
        "nested",
        "nested-split",
        "reserved",
        "opcode",
        "masked",
        "close-1",
        "close-utf8",
    ],
)
async def test_framing_violations_are_31924_and_close_with_1002_or_1007(frames: tuple[bytes, ...]) -> None:
    heard, answers = await after(*frames)
    assert heard.socket.fault().code == 31924
    opcode, payload = answers[-1]
    assert opcode == CLOSE
    assert int.from_bytes(payload[:2], "big") in (1002, 1007)


@pytest.mark.parametrize("split", [False, True])
async def test_a_message_beyond_the_limit_closes_with_1009(split: bool) -> None:  # noqa: FBT001
    half = b"x" * (MAX_SERVER_MESSAGE_BYTES // 2 + 1)
    if split:
        frames = [frame(TEXT, half, fin=False), frame(CONTINUATION, half)]
    else:
        frames = [frame(TEXT, half + half)[:1000]]
    heard, answers = await after(*frames)
    assert heard.texts == []
    assert answers[-1][1][:2] == (1009).to_bytes(2, "big")
    assert heard.socket.fault().code == 31924


@pytest.mark.parametrize(
    ("payload", "code", "words"),
    [
        (b"", 1005, "code 1005"),
        (b"\x03\xe8", 1000, "code 1000"),
        (b"\x03\xf0bad token", 1008, "'bad token'"),
        (b"\x0f\xa0own", 4000, "code 4000 'own'"),
    ],
)
async def test_a_close_is_answered_with_its_code_and_told_with_its_reason(
    payload: bytes, code: int, words: str
) -> None:
    heard, answers = await after(frame(CLOSE, payload))
    assert answers == [(CLOSE, payload[:2])]
    assert heard.socket.close_code == code
    assert heard.socket.fault().code == 31921
    assert words in heard.socket.fault().message


async def test_an_end_without_a_close_frame_is_31903() -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(TEXT, b"last"))
        writer.close()

    async with peer(act) as heard:
        await heard.socket.ending()
        await heard.socket.gone(CLOCK, within_s=5)
        assert heard.texts == [b"last"]
        assert heard.socket.fault().code == 31903
        assert heard.socket.close_code is None


async def test_nothing_is_sent_after_our_close() -> None:
    got: list[tuple[int, bytes]] = []

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await read_frame(reader))
        got.append(await read_frame(reader))
        writer.write(frame(CLOSE))
        assert await reader.read() == b""

    async with peer(act) as heard:
        heard.socket.send(b"hello")
        heard.socket.close()
        assert not heard.socket.is_open
        heard.socket.send(b"too late")
        heard.socket.close()
        await heard.socket.gone(CLOCK, within_s=5)
    assert got == [(TEXT, b"hello"), (CLOSE, b"")]


async def test_a_server_that_never_reads_is_slow_then_given_up() -> None:
    release = asyncio.Event()

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await release.wait()

    async with peer(act) as heard:
        sent = 0
        while not heard.socket.slow:
            heard.socket.send(b"x" * 1000)
            sent += 1
        while heard.socket.is_open:
            heard.socket.send(b"y" * 1000)
            sent += 1
        assert sent * 1000 < 3 * DEAD_BYTES + 8_000_000  # the kernel's buffers come on top
        await heard.socket.ending()
        await heard.socket.gone(CLOCK, within_s=0.05)
        assert heard.socket.fault().code == 31903
        assert "unread" in heard.socket.fault().message
        release.set()


async def test_a_server_that_reads_again_is_no_longer_slow() -> None:
    release, enough = asyncio.Event(), asyncio.Event()

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        while not enough.is_set():
            await reader.read(1 << 20)

    async with peer(act) as heard:
        while not is_slow(heard.socket):
            heard.socket.send(b"x" * 1000)
        heard.socket.resumed = asyncio.Event()
        release.set()
        await heard.socket.resumed.wait()
        assert not is_slow(heard.socket)
        assert heard.socket.is_open
        enough.set()


async def test_a_failing_callback_ends_this_socket_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: memoryview) -> None:
        raise ZeroDivisionError

    socket = StreamSocket(on_open=lambda: None, on_text=fail, on_binary=lambda: None)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accept(await read_request(reader)) + frame(TEXT, b"x"))
        await reader.read()

    async with raw_server(script) as port, asyncio.timeout(10):
        assert await connect(socket, f"ws://127.0.0.1:{port}/", signature=None) is None
        await socket.ending()
        await socket.gone(CLOCK, within_s=5)
    assert socket.fault().code == 31900
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "scenario",
    [
        test_fragments_are_joined_and_control_frames_may_come_between,
        test_an_end_without_a_close_frame_is_31903,
        test_nothing_is_sent_after_our_close,
        test_a_server_that_never_reads_is_slow_then_given_up,
        test_a_server_that_reads_again_is_no_longer_slow,
    ],
)
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(scenario())
