"""A running call over plain HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bridge.app import create_app
from bridge.audio import g711
from bridge.settings import Settings
from tests.running import running
from tests.web.test_media_stream import FRAME, Server, closed, opened, speak, twilio

KEY = "a key of many characters"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        yield Server(app.state.bridge, port, tmp_path)


def http_url(server: Server, call_sid: str, query: str = "") -> str:
    return server.url.replace("ws://", "http://").replace(
        "/media-stream", f"/calls/{call_sid}/audio.wav{query}"
    )


@pytest.mark.parametrize(
    ("query", "channels", "factor"), [("", 2, 1), ("?track=inbound&rate_hz=16000", 1, 2)]
)
async def test_it_begins_with_a_header_goes_on_with_the_call_and_ends_with_it(
    server: Server, query: str, channels: int, factor: int
) -> None:
    stream = twilio(1)
    media = await opened(server, stream)
    while server.bridge.directory.find(stream.start.callSid) is None:
        await asyncio.sleep(0)
    async with (
        aiohttp.ClientSession() as http,
        http.get(http_url(server, stream.start.callSid, query)) as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "audio/wav")
        header = await answer.content.readexactly(44)
        assert header[:4] + header[8:12] + header[36:40] == b"RIFFWAVEdata"
        assert int.from_bytes(header[22:24], "little") == channels
        assert int.from_bytes(header[24:28], "little") == 8000 * factor
        await speak(media, stream, 7)  # 140 ms: a chunk, and what is left of the next
        await media.send(stream.stop().decode())
        audio = await answer.content.read()
    assert len(audio) == 7 * 160 * 2 * channels * factor
    if factor == 1:
        left = b"".join(audio[n : n + 2] for n in range(0, len(audio), 4))
        assert left == g711.decode_ulaw(FRAME) * 7
    await closed(media)


async def test_calls_that_are_over_or_unknown_are_told_apart(server: Server) -> None:
    stream = twilio(2)
    media = await opened(server, stream)
    await media.send(stream.stop().decode())
    await closed(media)
    await server.until_idle()
    async with aiohttp.ClientSession() as http:
        for sid, status, code in ((stream.start.callSid, 409, "call_ended"), ("CA0", 404, "call_unknown")):
            async with http.get(http_url(server, sid)) as answer:
                assert (answer.status, (await answer.json(content_type=None))["code"]) == (status, code)
        async with http.get(http_url(server, stream.start.callSid, "?rate_hz=44100")) as answer:
            assert answer.status == 422


async def test_a_reader_that_leaves_is_forgotten_and_the_call_goes_on(server: Server) -> None:
    stream = twilio(3)
    media = await opened(server, stream)
    await speak(media, stream, 1)
    while (session := server.bridge.directory.find(stream.start.callSid)) is None:
        await asyncio.sleep(0)
    async with aiohttp.ClientSession() as http:
        answer = await http.get(http_url(server, stream.start.callSid))
        await answer.content.readexactly(44)
        answer.close()
    number = 1
    while session.audio._listeners:
        await speak(media, stream, 5, first_ms=100 + 100 * number)
        await (await media.ping())
        number += 1
    await media.send(stream.stop().decode())
    assert (await closed(media))[0] == 1000
