"""A running call as ffmpeg hears it over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.app import create_app
from bridge.audio import g711
from bridge.settings import Settings
from tests.peers.program import program
from tests.running import running
from tests.web.test_media_stream import FRAME, Server, opened, speak, twilio

pytestmark = pytest.mark.peers


async def test_ffmpeg_reads_the_live_wav_to_its_last_sample(tmp_path: Path) -> None:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        server = Server(app.state.bridge, port, tmp_path)
        stream = twilio(1)
        media = await opened(server, stream)
        while (session := server.bridge.directory.find(stream.start.callSid)) is None:
            await asyncio.sleep(0)
        url = f"http://127.0.0.1:{port}/calls/{stream.start.callSid}/audio.wav?track=inbound"
        ffmpeg = await asyncio.create_subprocess_exec(
            *(program("ffmpeg"), "-v", "error", "-i", url, "-f", "s16le", "-"), stdout=asyncio.subprocess.PIPE
        )
        while not session.audio._listeners:
            await asyncio.sleep(0.01)
        await speak(media, stream, 100)
        await media.send(stream.stop().decode())
        pcm, _ = await ffmpeg.communicate()
        await media.close()
    assert pcm == g711.decode_ulaw(FRAME) * 100
