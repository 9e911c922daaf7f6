from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.simulation.count import ServerCounts, read_count
from bridge.carrier.simulation.report import ServerCount
from bridge.carrier.stream.client import StreamOutcome
from tests.carrier.signalling_stage import Asked, FastClock, application

STREAM = {"sid": "MZ1", "frames": 7, "gaps": 0, "filled_ms": 0}


def make(sent_frames: int = 10) -> CarrierCall:
    request = CallRequest(to="x", from_="y", document=Document())
    call = CarrierCall(
        request, account_sid="AC1", direction="inbound", created=datetime(2026, 1, 1, tzinfo=UTC)
    )
    call.streams.append(StreamOutcome("call_ended", sent_frames=sent_frames))
    return call


async def test_a_count_that_lags_is_waited_for() -> None:
    async with application() as program:
        call, frames = make(), iter([0, 7, 10])

        async def resource(asked: Asked) -> web.Response:
            assert asked.headers["Authorization"] == "Bearer key"
            return web.json_response({"streams": [{**STREAM, "frames": next(frames)}]})

        program.answers[f"/calls/{call.sid}"] = resource
        counts = ServerCounts(program.url + "/", api_key="key", clock=FastClock())
        async with counts.running():
            assert await counts.of(call) == ServerCount(10, 0, 0)
        assert counts.why_not is None


async def test_a_count_that_stays_behind_is_given_as_it_is() -> None:
    async with application() as program:
        call = make()
        program.answers[f"/calls/{call.sid}"] = web.json_response({"streams": [STREAM]})
        counts = ServerCounts(program.url, api_key=None, clock=FastClock())
        async with counts.running():
            assert await counts.of(call) == ServerCount(7, 0, 0)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (web.Response(status=401), "HTTP 401"),
        (web.json_response({"calls": []}), "KeyError"),
        (web.json_response([]), "TypeError"),
        (web.Response(text="<html>"), "ContentTypeError"),
    ],
)
async def test_a_server_that_does_not_tell_is_no_failure(answer: web.Response, why: str) -> None:
    async with application() as program:
        call = make()
        program.answers[f"/calls/{call.sid}"] = answer
        counts = ServerCounts(program.url, api_key=None, clock=FastClock())
        async with counts.running():
            assert await counts.of(call) is None
        assert counts.why_not is not None
        assert why in counts.why_not


@pytest.mark.parametrize("streams", [[STREAM, STREAM], [{"sid": "MZ1", "counters": STREAM}] * 2])
def test_streams_are_added_up_flat_or_nested(streams: list[dict[str, Any]]) -> None:
    assert read_count({"streams": streams}) == ServerCount(14, 0, 0)
