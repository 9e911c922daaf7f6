"""A call relayed to an application nobody here wrote: an echo made of pipecat's own parts."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from hashlib import shake_256
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from bridge.app import create_app
from bridge.audio import g711
from bridge.settings import Settings, SinkChoice
from tests.peers.program import program
from tests.running import running
from tests.web.test_media_stream import Server, opened, twilio

pytestmark = pytest.mark.peers

# Noise, so that any place of it is found again. 0x7F is left out: it is a second zero and comes back as 0xFF.
SAID = bytes(byte for byte in shake_256(b"noise").digest(8100) if byte != 0x7F)[:8000]


class Pipecat:
    """The application's process, its lines read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""

    async def until(self, words: str) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while True:
                line = (await self.process.stdout.readline()).decode()
                assert line, f"pipecat ended before it said {words!r}"
                if line.startswith(words):
                    return line.removeprefix(words).strip()


@pytest.fixture
async def pipecat() -> AsyncIterator[tuple[Pipecat, str]]:
    process = await asyncio.create_subprocess_exec(
        *(program("pipecat-python"), str(Path(__file__).with_name("pipecat_echo.py"))),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    one = Pipecat(process)
    try:
        yield one, f"ws://127.0.0.1:{await one.until('ready ')}/media"
    finally:
        process.terminate()
        await process.wait()


async def hear(media: ClientConnection, heard: bytearray) -> None:
    """Do as Twilio does: keep the audio, send each mark back."""
    async for text in media:
        message: dict[str, Any] = json.loads(text)
        if message["event"] == "media":
            heard.extend(b64decode(message["media"]["payload"]))
        elif message["event"] == "mark":
            await media.send(text)


async def test_a_call_hears_itself_through_pipecat(tmp_path: Path, pipecat: tuple[Pipecat, str]) -> None:
    echo, url = pipecat
    choice = SinkChoice("relay", {"url": url, "parameters": {"greeting": "none"}})
    app = create_app(Settings(recordings_dir=tmp_path, sinks=(choice,)))
    heard = bytearray()
    async with running(app) as port:
        server = Server(app.state.bridge, port, tmp_path)
        stream = twilio(1)
        media = await opened(server, stream)
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(hear(media, heard))
            silence = g711.ulaw_silence(160)
            frames = [SAID[at : at + 160] for at in range(0, len(SAID), 160)]
            for number, frame in enumerate([*[silence] * 50, *frames, *[silence] * 50]):
                await media.send(stream.media(frame, 100 + 20 * number).decode())
                await asyncio.sleep(0.02)  # a phone speaks in real time
            await media.send(stream.dtmf("7").decode())
            assert await echo.until("kind ") == (
                f"twilio call {stream.start.callSid} said {{'greeting': 'none'}}"
            )
            assert await echo.until("digit ") == "7"
            session = server.bridge.directory.find(stream.start.callSid)
            assert session is not None
            await media.send(stream.stop().decode())
            await echo.until("gone")
            await hearing
        await media.close()
    assert SAID in bytes(heard), f"{len(heard)} bytes were heard"
    assert session.record.sinks == {"relay": "done"}
    assert session.record.losses == {}
