"""A running server with a call on it, and programs that hear the call by the audio socket."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bridge.app import Bridge
from bridge.mediastream import messages as wire
from bridge.mediastream.twilio_side import TwilioStream
from bridge.session.session import Session
from tests.web.test_media_stream import ACCOUNT, FRAME, Server, opened, twilio

SID = twilio().start.callSid
STREAM_SID = twilio().start.streamSid


class Program:
    """A program's socket, its hello read already."""

    def __init__(self, socket: ClientConnection, hello: dict[str, Any]) -> None:
        self.socket = socket
        self.hello = hello
        self.audio = b""
        self.told: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any] | bytes:
        """One message, which is kept too."""
        message = await self.socket.recv()
        if isinstance(message, bytes):
            self.audio += message
            return message
        self.told.append(json.loads(message))
        return self.told[-1]

    async def until(self, event: str) -> dict[str, Any]:
        """Read up to the first message with this name."""
        while True:
            message = await self.next()
            if isinstance(message, dict) and message["event"] == event:
                return message

    async def hear(self, length_bytes: int) -> bytes:
        """Read until so much audio has come in all."""
        while len(self.audio) < length_bytes:
            await self.next()
        return self.audio

    async def command(self, **members: Any) -> None:
        await self.socket.send(json.dumps(members))


class Phone:
    """Twilio's end of the call."""

    def __init__(self, server: Server, stream: TwilioStream, media: ClientConnection) -> None:
        self.server = server
        self.stream = stream
        self.media = media
        self.heard = b""
        self.events: list[str] = []
        self._at_ms = 100

    @property
    def session(self) -> Session:
        session = self.server.bridge.directory.find(SID)
        assert session is not None
        return session

    async def says(self, frames: int, *, lost_frames: int = 0) -> None:
        """Speak; before it, lose some frames on the way."""
        self.stream._chunks["inbound"] += lost_frames
        self._at_ms += 20 * lost_frames
        for _ in range(frames):
            await self.media.send(self.stream.media(FRAME, self._at_ms).decode())
            self._at_ms += 20
        await self.arrived()

    async def presses(self, digit: str) -> None:
        await self.media.send(self.stream.dtmf(digit).decode())
        await self.arrived()

    async def arrived(self) -> None:
        """Wait until the server has taken everything sent so far: it answers in order."""
        await (await self.media.ping())

    async def hangs_up(self) -> None:
        await self.media.send(self.stream.stop().decode())

    async def hear(self, samples: int) -> bytes:
        """Hear so much in all, and send the marks back as Twilio does."""
        while len(self.heard) < samples:
            await self.hear_one()
        return self.heard

    async def hear_one(self) -> None:
        message = json.loads(await self.media.recv())
        self.events.append(message["event"])
        if message["event"] == "media":
            self.heard += b64decode(message["media"]["payload"])
        elif message["event"] == "mark":
            await self.media.send(self.stream.mark(message["mark"]["name"]).decode())

    async def hear_all(self) -> None:
        """Hear until cancelled or the stream is closed."""
        while True:
            await self.hear_one()


@asynccontextmanager
async def calling(server: Server, *tracks: str) -> AsyncIterator[Phone]:
    """A call on this server, with something said already."""
    stream = TwilioStream(wire.StartBody(ACCOUNT, SID, STREAM_SID, tracks or ("inbound",)))
    media = await opened(server, stream)
    phone = Phone(server, stream, media)
    await phone.says(1)
    try:
        yield phone
    finally:
        await media.close()


@asynccontextmanager
async def listening(server: Server, query: str = "", **options: Any) -> AsyncIterator[Program]:
    """A program that hears the call."""
    async with connect(socket_url(server, query), compression=None, **options) as socket:
        hello = json.loads(await socket.recv())
        assert hello["event"] == "hello"
        yield Program(socket, hello)


def socket_url(server: Server, query: str = "", sid: str = SID) -> str:
    return server.url.replace("/media-stream", f"/calls/{sid}/audio{query}")


async def until_nobody_listens(bridge: Bridge) -> None:
    while len(bridge.open_sockets):
        await asyncio.sleep(0)
