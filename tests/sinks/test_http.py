"""Audio on its way to a web server: whole, in order, and what its faults cost."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import wave
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.audio import g711
from bridge.errors import ConfigurationError
from bridge.sinks.registry import find
from bridge.sinks.sink import BoundSink
from bridge.testing import ScriptedCall
from tests.sinks.receivers import Receiver

SAID = bytes((n * 7) % 256 for n in range(160 * 25))


def http(url: str, **options: Any) -> BoundSink:
    return find("http").bind({"url": url, "chunk_ms": 200, **options})


def lost(url: str, lost_ms: int) -> dict[str, int]:
    return {f"http {url.removesuffix('/audio')}": lost_ms}


async def sent(receiver: Receiver, payload: bytes = SAID, **options: Any) -> tuple[ScriptedCall, str]:
    call = ScriptedCall()
    async with receiver.running() as url, call.running(http(url, **options)):
        await call.speaks(payload)
    return call, url


async def test_every_chunk_comes_once_in_order_and_says_what_it_is() -> None:
    receiver = Receiver()
    call, _ = await sent(receiver, headers={"Authorization": "Bearer x"})
    assert b"".join(request.body for request in receiver.requests) == g711.decode_ulaw(SAID)
    assert [len(request.body) for request in receiver.requests] == [3200, 3200, 1600]
    for number, request in enumerate(receiver.requests, 1):
        headers = request.headers
        assert headers["Content-Type"] == "audio/x-raw;format=S16LE;rate=8000;channels=1"
        assert headers["X-Bridge-Call-Sid"] == call.session.sid
        assert headers["X-Bridge-Stream-Sid"] == call.session.stream_sid
        assert headers["X-Bridge-Sequence"] == str(number)
        assert headers["X-Bridge-Start-Ms"] == str(200 * (number - 1))
        assert headers["X-Bridge-Dropped-Ms"] == "0"
        assert headers["Idempotency-Key"] == f"{call.session.stream_sid}-{number}"
        assert headers["Authorization"] == "Bearer x"
    assert call.outcomes == {"http": "done"}
    assert call.losses == {}


@pytest.mark.parametrize(
    ("options", "kind", "size"),
    [
        ({"encoding": "mulaw"}, "audio/x-mulaw;rate=8000;channels=1", 1600),
        ({"encoding": "mulaw", "track": "both"}, "audio/x-mulaw;rate=8000;channels=2", 3200),
        ({"rate_hz": 16_000}, "audio/x-raw;format=S16LE;rate=16000;channels=1", 6400),
    ],
)
async def test_other_shapes_are_named(options: dict[str, Any], kind: str, size: int) -> None:
    receiver = Receiver()
    await sent(receiver, **options)
    assert receiver.requests[0].headers["Content-Type"] == kind
    assert len(receiver.requests[0].body) == size


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_what_may_yet_succeed_is_repeated_under_the_same_key(status: int) -> None:
    receiver = Receiver(status, status)
    call, _ = await sent(receiver)
    keys = [request.headers["Idempotency-Key"].rpartition("-")[2] for request in receiver.requests]
    assert keys == ["1", "1", "1", "2", "3"]
    assert b"".join(request.body for request in receiver.requests[2:]) == g711.decode_ulaw(SAID)
    assert call.losses == {}


async def test_a_broken_connection_is_repeated() -> None:
    async def break_off() -> web.Response:
        raise asyncio.CancelledError

    receiver = Receiver(break_off)
    call, _ = await sent(receiver)
    assert len(receiver.requests) == 4
    assert call.losses == {}


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
async def test_another_refusal_is_final_and_the_next_chunk_tells_the_hole(status: int) -> None:
    receiver = Receiver(status)
    call, url = await sent(receiver)
    assert [request.headers["X-Bridge-Sequence"] for request in receiver.requests] == ["1", "2", "3"]
    assert [request.headers["X-Bridge-Dropped-Ms"] for request in receiver.requests] == ["0", "200", "0"]
    assert call.losses == lost(url, 200)
    assert call.outcomes == {"http": "done"}


async def test_one_is_in_flight_and_the_oldest_is_lost_beyond_the_bound() -> None:
    go_on = asyncio.Event()

    async def wait() -> web.Response:
        await go_on.wait()
        return web.Response(status=200)

    receiver = Receiver(wait)
    call = ScriptedCall()
    async with receiver.running() as url, call.running(http(url, max_queue_ms=400)):
        await call.speaks(SAID[: 160 * 10])
        await receiver.until(1)
        await call.speaks(SAID * 4)  # two seconds more
        assert len(receiver.requests) == 1
        go_on.set()
    arrived_ms = sum(len(request.body) for request in receiver.requests) // 16
    dropped_ms = int(receiver.requests[1].headers["X-Bridge-Dropped-Ms"])
    assert dropped_ms > 1000
    assert call.losses == lost(url, dropped_ms)
    assert arrived_ms + dropped_ms == 200 + 2000
    second = receiver.requests[1].headers
    assert second["X-Bridge-Start-Ms"] == str(200 + dropped_ms)
    assert second["X-Bridge-Sequence"] == "2"


async def test_where_nobody_listens_everything_is_counted_as_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/audio"
    call = ScriptedCall()
    async with call.running(http(url, retry_s=0)):
        await call.speaks(SAID)
    assert call.losses == lost(url, 500)
    assert call.outcomes == {"http": "done"}


async def test_what_waits_when_its_grace_is_over_is_counted_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/audio"
    call = ScriptedCall(grace_s=0.05)
    async with call.running(http(url, retry_s=600)):
        await call.speaks(SAID)
    assert call.outcomes == {"http": "cancelled"}
    assert call.losses == lost(url, 500)


async def test_a_redirect_on_the_same_server_is_followed_for_good() -> None:
    receiver = Receiver(web.Response(status=307, headers={"Location": "/elsewhere"}))
    call, _ = await sent(receiver)
    assert [request.path for request in receiver.requests] == ["/audio", *["/elsewhere"] * 3]
    assert call.losses == {}


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_to_another_server_is_not_followed(status: int) -> None:
    other = Receiver()
    async with other.running() as elsewhere:
        receiver = Receiver(web.Response(status=status, headers={"Location": elsewhere}))
        call, url = await sent(receiver)
    assert other.requests == []
    assert call.losses == lost(url, 200)


async def test_a_redirect_in_a_circle_ends() -> None:
    def moved(to: str) -> web.Response:
        return web.Response(status=308, headers={"Location": to})

    receiver = Receiver(*[moved(to) for to in ("/a", "/b", "/a", "/b")])
    call, url = await sent(receiver, SAID[:1600])
    assert len(receiver.requests) == 4
    assert call.losses == lost(url, 200)


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    receiver = Receiver(500, 400)
    call = ScriptedCall()
    async with receiver.running() as url:
        secret = url.replace("//", "//me:hunter2@") + "?key=topsecret"
        async with call.running(http(secret, headers={"X-Token": "sesame"})):
            await call.speaks(SAID)
    assert receiver.requests[0].headers["Authorization"].startswith("Basic ")
    assert "audio is lost" in caplog.text
    for word in ("hunter2", "topsecret", "sesame", "me:"):
        assert word not in caplog.text
        assert word not in str(call.losses)


async def test_a_file_is_uploaded_after_the_call_and_then_deleted(tmp_path: Path) -> None:
    receiver = Receiver(503)
    call, _ = await sent(receiver, mode="file", directory=tmp_path, track="both")
    first, second = receiver.requests
    assert first.body == second.body
    assert second.headers["Content-Type"] == "audio/wav"
    assert second.headers["X-Bridge-Call-Sid"] == call.session.sid
    assert second.headers["Idempotency-Key"] == f"{call.session.stream_sid}-1"
    assert int(second.headers["Content-Length"]) == len(second.body)
    with wave.open(io.BytesIO(second.body)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, len(SAID))
        assert file.readframes(1)[:2] == g711.decode_ulaw(SAID[:1])
    assert list(tmp_path.iterdir()) == []
    assert call.losses == {}


async def test_a_file_nobody_takes_is_kept_and_the_log_says_where(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(403)
    call, url = await sent(receiver, mode="file", directory=tmp_path)
    (kept,) = tmp_path.iterdir()
    with wave.open(str(kept)) as file:
        assert file.readframes(file.getnframes()) == g711.decode_ulaw(SAID)
    assert str(kept) in caplog.text
    assert "403" in caplog.text
    assert call.losses == lost(url, 500)


async def test_a_file_is_kept_when_its_grace_is_over(tmp_path: Path) -> None:
    async def wait() -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    receiver = Receiver(wait)
    call = ScriptedCall(grace_s=0.3)
    async with receiver.running() as url, call.running(http(url, mode="file", directory=tmp_path)):
        await call.speaks(SAID)
    assert call.outcomes == {"http": "cancelled"}
    assert call.losses == lost(url, 500)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"url": "ftp://x/"},
        {"url": "http://u:secret@/"},
        {"url": "http://x/\nHost: y"},
        {"url": "http://x", "chunk_ms": 0},
        {"url": "http://x", "timeout_s": 0},
        {"url": "http://x", "mode": "carrier pigeon"},
    ],
)
def test_options_are_checked_before_a_call_comes(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as error:
        find("http").bind(options)
    assert "secret" not in str(error.value)
