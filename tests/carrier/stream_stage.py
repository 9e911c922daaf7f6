"""A media stream under test: our client on a line, an independent WebSocket server, time turned by hand."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.line import Line
from bridge.carrier.stream.client import StreamOutcome, StreamRequest, run_stream
from tests.carrier.media_stage import ManualClock, ScriptedLeg, seeded, ticking

ACCOUNT_SID = "AC" + "a" * 32
CALL_SID = "CA" + "b" * 32
STREAM_SID = "MZ" + "c" * 32

TIMEOUT_S = 10.0
"""Real seconds after which a test that waits for the other side has failed."""


def request(url: str, *, signature: str | None = None, **parameters: str) -> StreamRequest:
    return StreamRequest(url, None, parameters, ACCOUNT_SID, CALL_SID, STREAM_SID, signature)


class Stage:
    """What a test turns and sees."""

    def __init__(self, clock: ManualClock, leg: ScriptedLeg, line: Line) -> None:
        self.clock = clock
        self.leg = leg
        self.line = line
        self.call_ended = asyncio.Event()
        self.warnings: list[int] = []
        self.starts = 0
        self.open = asyncio.Event()
        self.server: ServerConnection
        self.running: asyncio.Task[StreamOutcome]

    def warn(self, code: int, message: str) -> None:
        assert message
        self.warnings.append(code)

    def started(self) -> None:
        self.starts += 1
        self.open.set()

    async def step(self, frames: int = 1) -> None:
        """Pass this many frames of 20 ms."""
        for _ in range(frames):
            await self.clock.advance(0.02)

    async def receive(self) -> dict[str, Any]:
        """The next message at the server."""
        async with asyncio.timeout(TIMEOUT_S):
            text = await self.server.recv()
        assert isinstance(text, str)
        message: dict[str, Any] = json.loads(text)
        return message

    async def receive_until(self, event: str) -> dict[str, Any]:
        """The next message of this kind; media before it are skipped."""
        while (message := await self.receive())["event"] != event:
            assert message["event"] == "media"
        return message

    async def send(self, message: Mapping[str, object] | str | bytes) -> None:
        """Send as the server, and return when the client has taken it: it answers a ping in order."""
        await self.server.send(json.dumps(message) if isinstance(message, Mapping) else message)
        await self.taken()

    async def taken(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await (await self.server.ping())

    async def play(self, payload: bytes) -> None:
        media = {"payload": base64.b64encode(payload).decode()}
        await self.send({"event": "media", "streamSid": STREAM_SID, "media": media})

    async def mark(self, name: str) -> None:
        await self.send({"event": "mark", "streamSid": STREAM_SID, "mark": {"name": name}})

    async def clear(self) -> None:
        await self.send({"event": "clear", "streamSid": STREAM_SID})

    async def outcome(self) -> StreamOutcome:
        async with asyncio.timeout(TIMEOUT_S):
            return await self.running


@asynccontextmanager
async def streaming(
    *, signature: str | None = None, phone: Leg | None = None, **parameters: str
) -> AsyncIterator[Stage]:
    """
    A stream that is open: ``connected`` and ``start`` are the server's next messages.

    ``phone`` takes the place of the scripted one. Leaving the context ends the call if it has not ended yet.
    """
    clock, leg = ManualClock(), ScriptedLeg()
    connected: asyncio.Future[ServerConnection] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connected.set_result(connection)
        await done.wait()

    async with (
        ticking(clock) as ticker,
        serve(handler, "127.0.0.1", 0, ping_interval=None, max_queue=None) as server,
        asyncio.TaskGroup() as group,
    ):
        line = Line(phone or leg, ticker, clock)
        line.start()
        stage = Stage(clock, leg, line)
        port = server.sockets[0].getsockname()[1]
        stage.running = group.create_task(
            run_stream(
                request(f"ws://localhost:{port}/media-stream", signature=signature, **parameters),
                line,
                clock=clock,
                jitter=seeded(7),
                warn=stage.warn,
                call_ended=stage.call_ended,
                started=stage.started,
            )
        )
        async with asyncio.timeout(TIMEOUT_S):
            stage.server = await connected
            await stage.open.wait()
        try:
            yield stage
        finally:
            stage.call_ended.set()
            done.set()


async def past_the_opening(stage: Stage) -> None:
    assert [(await stage.receive())["event"] for _ in range(2)] == ["connected", "start"]
