"""The event streams as a browser and curl read them."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from bridge.app import create_app
from bridge.settings import Settings
from tests.peers import chromium
from tests.peers.program import program
from tests.running import running
from tests.server.test_run import serving
from tests.web.test_incoming import FORM

pytestmark = pytest.mark.peers

FOLLOW = """
    window.told = []
    window.ended = 0
    window.events = new EventSource('/events')
    events.addEventListener('state', (event) => told.push([JSON.parse(event.data).status, event.lastEventId]))
    events.addEventListener('error', () => { ended += 1 })
    new Promise((resolve) => { events.onopen = () => resolve(events.readyState) })
"""
NEXT = "new Promise((resolve) => setInterval(() => told.length >= {} && resolve(told), 20))"
SOCKET = """
    new Promise((resolve) => {
        const socket = new WebSocket(`ws://${location.host}/events?after=0`)
        socket.onmessage = (event) => resolve(JSON.parse(event.data))
    })
"""
REFUSED = """
    new Promise((resolve) => {
        const socket = new WebSocket('ws://127.0.0.1:%d/events')
        socket.onopen = () => resolve('open')
        socket.onerror = () => resolve('refused')
    })
"""


async def ring(port: int, sid: str) -> None:
    form = FORM | {"CallSid": sid}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/incoming-call", data=form) as answer,
    ):
        assert answer.status == 200


async def test_a_browser_misses_nothing_when_the_server_starts_anew(tmp_path: Path) -> None:
    async with running(create_app(Settings(recordings_dir=tmp_path))) as port, AsyncExitStack() as later:
        page = await later.enter_async_context(
            chromium.opened(tmp_path / "profile", f"http://127.0.0.1:{port}/healthz")
        )
        assert await page.evaluate(FOLLOW) == 1
        await ring(port, "CA" + "1" * 32)
        ((status, seen),) = await page.evaluate(NEXT.format(1))
        assert (status, seen.partition("-")[2]) == ("ringing", "1")
        assert (await page.evaluate(SOCKET))["id"] == seen
        browser = later.pop_all()
    async with (
        browser,
        running(create_app(Settings(recordings_dir=tmp_path)), port=port),
        asyncio.timeout(60),
    ):
        await ring(port, "CA" + "2" * 32)  # before the browser is back, which has waited two seconds
        assert await page.evaluate("events.readyState") == 0, "connecting"
        _, (status, again) = await page.evaluate(NEXT.format(2))
        assert await page.evaluate("ended") >= 1
    assert (status, again.partition("-")[2]) == ("ringing", "1")
    assert again.partition("-")[0] > seen.partition("-")[0]


async def test_a_page_of_another_server_may_not_open_the_socket(tmp_path: Path) -> None:
    app, other = (create_app(Settings(recordings_dir=tmp_path)) for _ in range(2))
    async with running(app) as port, running(other) as other_port:
        url = f"http://127.0.0.1:{other_port}/healthz"
        async with chromium.opened(tmp_path / "profile", url) as page, asyncio.timeout(60):
            assert await page.evaluate(REFUSED % port) == "refused"
            assert await page.evaluate(REFUSED % other_port) == "open"


async def test_the_server_stops_at_once_though_a_browser_follows(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, port):
        url = f"http://127.0.0.1:{port}/healthz"
        async with chromium.opened(tmp_path / "profile", url) as page:
            assert await page.evaluate(FOLLOW) == 1
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0


async def test_curl_reads_an_event_as_it_happens(tmp_path: Path) -> None:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        curl = await asyncio.create_subprocess_exec(
            *(program("curl"), "-sN", f"http://127.0.0.1:{port}/events"), stdout=asyncio.subprocess.PIPE
        )
        assert curl.stdout is not None
        async with asyncio.timeout(20):
            assert await curl.stdout.readuntil(b"\n\n")
            await ring(port, "CA" + "1" * 32)
            lines = (await curl.stdout.readuntil(b"\n\n")).decode().splitlines()
    async with asyncio.timeout(20):
        rest, _ = await curl.communicate()
    assert (rest, curl.returncode) == (b"", 0), "the answer ended as it should when the server stopped"
    assert lines[1] == "event: state"
    told = json.loads(lines[2].removeprefix("data: "))
    assert (told["status"], told["id"]) == ("ringing", lines[0].removeprefix("id: "))
