"""A hand in a running call, over HTTP."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection

from bridge.app import create_app
from bridge.audio import g711
from bridge.audio.wav import WavWriter
from bridge.session.marks import BEGINNING_MARK
from bridge.settings import Settings
from bridge.web import control
from tests.running import running
from tests.web.test_media_stream import Server, opened, speak, twilio

SID = twilio(1).start.callSid


@asynccontextmanager
async def calling(tmp_path: Path) -> AsyncIterator[tuple[str, ClientConnection, aiohttp.ClientSession]]:
    """A live call: its URL, its phone, and an HTTP client."""
    async with (
        running(create_app(Settings(recordings_dir=tmp_path))) as port,
        aiohttp.ClientSession() as http,
    ):
        stream = twilio(1)
        media = await opened(Server(None, port, tmp_path), stream)  # type: ignore[arg-type]
        await speak(media, stream, 1)
        await (await media.ping())
        yield f"http://127.0.0.1:{port}/calls/{SID}", media, http
        await media.close()


def wav(pcm: bytes, rate_hz: int = 8000, channels: int = 1) -> bytes:
    file = io.BytesIO()
    writer = WavWriter(file, sample_rate_hz=rate_hz, channels=channels)
    writer.write(pcm)
    writer.close()
    return file.getvalue()


async def until(media: ClientConnection, event: str) -> bytes:
    """The audio that comes before the first message of this kind; a mark before any audio says it begins."""
    audio = b""
    while True:
        message = json.loads(await media.recv())
        if message["event"] == "media":
            audio += b64decode(message["media"]["payload"])
        elif message["event"] == event and not message.get("mark", {}).get("name", "").startswith(
            BEGINNING_MARK
        ):
            return audio


@pytest.mark.parametrize("rate_hz", [8000, 24_000])
async def test_a_wav_file_is_played(tmp_path: Path, rate_hz: int) -> None:
    said = b"\x10\x20" * (rate_hz // 10)
    async with calling(tmp_path) as (url, media, http):
        async with http.post(f"{url}/play", data=wav(said, rate_hz)) as answer:
            assert (answer.status, await answer.json()) == (200, {"queued_ms": 100})
        heard = await until(media, "mark")
    if rate_hz == 8000:
        assert heard == g711.encode_ulaw(said)
    assert 800 <= len(heard) <= 820


async def test_clear_and_digits(tmp_path: Path) -> None:
    async with calling(tmp_path) as (url, media, http):
        async with http.post(f"{url}/play", data=wav(bytes(160_000))) as answer:
            assert answer.status == 200
        async with http.post(f"{url}/clear") as answer:
            assert answer.status == 204
        assert len(await until(media, "clear")) < 8000
        async with http.post(f"{url}/digits", json={"digits": "1"}) as answer:
            assert answer.status == 204
        assert len(await until(media, "mark")) == 1600


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("digits", b'{"digits":"1x"}', 422, "digits"),
        ("digits", b'{"digits":""}', 422, "digits"),
        ("digits", b'{"digits":"1","loud":true}', 422, "loud"),
        ("play", b"no wav", 422, "body"),
        ("play", wav(bytes(8), channels=2), 422, "body"),
        ("play", wav(bytes(8), 44_100), 422, "body"),
        ("play", wav(bytes(3000)), 413, None),
    ],
)
async def test_what_is_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, body: bytes, status: int, field: str | None
) -> None:
    monkeypatch.setattr(control, "MAX_AUDIO_BYTES", 2000)
    async with calling(tmp_path) as (url, _media, http):
        headers = {"Content-Type": "application/json" if path == "digits" else "audio/wav"}
        async with http.post(f"{url}/{path}", data=body, headers=headers) as answer:
            problem = await answer.json(content_type=None)
    assert (answer.status, problem.get("field")) == (status, field)


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
async def test_digits_come_as_json_and_say_so(tmp_path: Path, kind: str | None) -> None:
    async with calling(tmp_path) as (url, _media, http):
        headers = {} if kind is None else {"Content-Type": kind}
        skipped = ["Content-Type"] if kind is None else []
        body = b'{"digits":"1"}'
        async with http.post(
            f"{url}/digits", data=body, headers=headers, skip_auto_headers=skipped
        ) as answer:
            problem = await answer.json(content_type=None)
        async with http.post(
            f"{url}/digits", data=b"{", headers={"Content-Type": "application/json; charset=utf-8"}
        ) as answer:
            broken = await answer.json(content_type=None)
    assert (problem["status"], problem["code"]) == (415, "unsupported_media_type")
    assert problem["hint"] == "Send application/json (with curl: -H 'Content-Type: application/json')."
    assert (broken["status"], broken["code"]) == (400, "bad_json")


async def test_a_call_nobody_knows_is_404(tmp_path: Path) -> None:
    async with calling(tmp_path) as (url, _media, http):
        for path, body in (("clear", b""), ("play", wav(bytes(8))), ("digits", b'{"digits":"1"}')):
            headers = {"Content-Type": "application/json"}
            where = f"{url.rpartition('/')[0]}/CA0/{path}"
            async with http.post(where, data=body, headers=headers) as answer:
                assert (answer.status, (await answer.json(content_type=None))["code"]) == (
                    404,
                    "call_unknown",
                )
