"""The server as a process: SIGTERM in the middle of a call."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import sys
import wave
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bridge.server.run import new_server
from tests.web.test_media_stream import FRAME, twilio


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


async def healthy(port: int) -> None:
    async with aiohttp.ClientSession() as http:
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{port}/healthz") as answer:
                    assert (await answer.json())["status"] == "ok"
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(directory: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """``bridge serve`` as a process of its own, in an environment without settings; gives it and its port."""
    port = free_port()
    settings = ("BRIDGE_", "TWILIO_")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "serve", "--port", str(port), *arguments),
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith(settings)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            await healthy(port)
            yield process, port
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_finalises_the_recording_says_goodbye_and_ends_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with serving(tmp_path, "--sink", "wav") as (process, port):
        stream = twilio(1)
        async with connect(f"ws://127.0.0.1:{port}/media-stream", compression=None) as media:
            for message in stream.open():
                await media.send(message.decode())
            for n in range(33):
                await media.send(stream.media(FRAME, 100 + 20 * n).decode())
            await (await media.ping())  # everything before it was read
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as caught:
                await media.recv()
            assert caught.value.rcvd is not None, "a close frame, not a broken connection"
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"Traceback" not in output
    (recording,) = (tmp_path / "recordings").glob("*.wav")
    with wave.open(str(recording)) as file:
        assert file.getnframes() == 33 * 160


async def test_a_recording_survives_kill_9_but_for_its_last_second(tmp_path: Path) -> None:
    async with serving(tmp_path, "--sink", "wav", "--log-level", "error") as (process, port):
        stream = twilio(2)
        async with connect(f"ws://127.0.0.1:{port}/media-stream", compression=None) as media:
            for message in stream.open():
                await media.send(message.decode())
            for n in range(150):  # three seconds
                await media.send(stream.media(FRAME, 100 + 20 * n).decode())
            found: list[Path] = []
            while not found or found[0].stat().st_size < 2 * 8000 * 4:
                await asyncio.sleep(0.01)
                found = list((tmp_path / "recordings").glob("*.wav"))
            process.kill()
            await process.wait()
    with wave.open(str(found[0])) as file:
        assert file.getnframes() >= 2 * 8000
        assert len(file.readframes(file.getnframes())) == file.getnframes() * 4


async def test_simulated_calls_all_complete_and_no_frame_is_lost(tmp_path: Path) -> None:
    async with serving(tmp_path, "--sink", "wav", "--sink", "echo", "--log-level", "error") as (_, port):
        simulation = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "simulate", "--json", "--url", f"http://127.0.0.1:{port}"),
            *("--calls", "30", "--concurrent", "20", "--rate", "20"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await simulation.communicate()
    report = json.loads(output)
    assert simulation.returncode == 0, report
    assert report["completed"] == 30, report
    assert report["server"]["frames"] == report["sent_frames"] > 30 * 200, report
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 30


class Knot:
    """Something that only the collector can free, as an ended call is."""

    def __init__(self) -> None:
        self.itself = self


async def test_what_calls_have_left_is_collected_every_three_minutes() -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError

    async def drain() -> None:
        raise AssertionError

    server = new_server(app, host="127.0.0.1", port=0, drain=drain)
    server.config.load()
    gc.disable()
    try:
        kept = weakref.ref(Knot())
        await server.on_tick(1799)
        assert kept() is not None
        await server.on_tick(1800)
        assert kept() is None
    finally:
        gc.enable()
