"""A call that does not stream: whether it is not there yet, or over, and what to do instead."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.app import create_app
from bridge.calls.record import CallRecord, StreamRecord
from bridge.calls.status import Status
from bridge.clock import SystemClock
from bridge.settings import Settings
from bridge.web.live_call import why_not_live
from tests.running import running
from tests.web.audio_stage import SID, socket_url
from tests.web.test_media_stream import Server

AT = SystemClock().utc()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        yield Server(app.state.bridge, port, tmp_path)


def record(status: Status, *recordings: str) -> CallRecord:
    stream = StreamRecord("MZ1", AT, recordings=[Path("somewhere", name) for name in recordings])
    return CallRecord(
        SID, "placed", "", "sip:demo@localhost", AT, status, streams=[stream] if recordings else []
    )


async def refusals(server: Server) -> list[tuple[int, dict[str, object]]]:
    """What every way to a live call answers."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(socket_url(server))
    found = [(caught.value.response.status_code, json.loads(caught.value.response.body or b""))]
    base = socket_url(server).replace("ws:", "http:").removesuffix("/audio")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{base}/audio.wav") as answer:
            found.append((answer.status, await answer.json(content_type=None)))
        async with http.post(f"{base}/clear") as answer:
            found.append((answer.status, await answer.json(content_type=None)))
    return found


async def test_every_way_to_a_call_that_rings_says_not_yet(server: Server) -> None:
    await server.bridge.store.add(record("ringing"))
    for status, problem in await refusals(server):
        assert (status, problem["code"]) == (409, "call_not_streaming")
        assert problem["detail"] == "Not yet: the call is ringing."
        assert "stream-started" in str(problem["hint"])


async def test_every_way_to_a_call_that_is_over_names_its_recordings(server: Server) -> None:
    await server.bridge.store.add(record("completed", "a b.wav", "c.wav"))
    for status, problem in await refusals(server):
        assert (status, problem["code"]) == (409, "call_ended")
        assert problem["detail"] == "The call is over: completed."
        assert problem["recordings"] == ["a b.wav", "c.wav"]
        assert f"/calls/{SID}/recording?name=a%20b.wav" in str(problem["hint"])


def test_a_call_whose_stream_has_ended_while_it_goes_on_is_not_called_over() -> None:
    live = record("in-progress", "a.wav")
    assert why_not_live(live).detail == "The call's stream is over."
    assert why_not_live(None).code == "call_ended"


def test_a_call_that_is_answered_but_does_not_stream_says_so() -> None:
    problem = why_not_live(record("in-progress"))
    assert problem.code == "call_not_streaming"
    assert problem.detail == "Not yet: the call is answered, but its stream has not begun."


def test_a_call_without_recordings_says_how_there_would_be_some() -> None:
    assert why_not_live(record("busy")).hint == "It was not recorded; the sink wav would have."
