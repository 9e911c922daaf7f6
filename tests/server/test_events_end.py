"""The server as a process: SIGTERM while somebody follows its events."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiohttp
from websockets.asyncio.client import connect

from tests.server.test_run import serving
from tests.web.test_event_stream import all_events, all_messages, names, next_event
from tests.web.test_media_stream import twilio


async def test_sigterm_tells_the_last_events_and_ends_though_readers_would_stay(tmp_path: Path) -> None:
    stream = twilio(1)
    async with (
        serving(tmp_path) as (process, port),
        aiohttp.ClientSession() as http,
        asyncio.TaskGroup() as group,
        http.get(f"http://127.0.0.1:{port}/events") as answer,
        connect(f"ws://127.0.0.1:{port}/media-stream", compression=None) as media,
    ):
        socket = group.create_task(all_messages(f"ws://127.0.0.1:{port}/events?after=0"))
        for message in stream.open():
            await media.send(message.decode())
        told = [await next_event(answer.content) for _ in range(2)]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):  # of the 15 s after which uvicorn would cut them off
            told += await all_events(answer.content)
            output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"Traceback" not in output
    assert b"exceeded" not in output
    assert names(told) == ["stream-started", "in-progress", "stream-ended", "completed"]
    assert told[2]["reason"] == "shutdown"
    assert socket.result() == told
