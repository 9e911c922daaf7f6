"""A placed call whose media socket broke, and whose last callback never comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from bridge.app import Bridge, create_app
from bridge.calls.record import CallRecord
from bridge.mediastream import messages as wire
from bridge.mediastream.twilio_side import TwilioStream
from bridge.settings import Settings
from bridge.testing import ManualClock
from bridge.web.stream_parameters import stream_parameters
from tests.running import running
from tests.twilio.api_stage import Answer, Stage, says, stage

ACCOUNT = "AC" + "0" * 32
CALL, STREAM = "CA" + "1" * 32, "MZ" + "1" * 32
GONE = says(404, json.dumps({"code": 20404, "message": "not found", "status": 404}))


@asynccontextmanager
async def lost(answer: Answer, *, placed: bool = True) -> AsyncIterator[tuple[Bridge, ManualClock, Stage]]:
    """Give a bridge whose one call has just lost its stream, its clock, and the carrier's API."""
    clock = ManualClock()
    async with stage(answer) as api:
        settings = Settings(
            twilio_account_sid=ACCOUNT,
            twilio_auth_token="secret",
            local_credentials=True,
            twilio_api_base=api.url,
        )
        app = create_app(settings, clock=clock)
        bridge: Bridge = app.state.bridge
        async with running(app) as port:
            parameters = stream_parameters(
                token=bridge.tokens.mint(), from_="+12025550199", to="sip:a@h", placed=placed, own={}
            )
            stream = TwilioStream(wire.StartBody(ACCOUNT, CALL, STREAM, customParameters=parameters))
            async with connect(f"ws://127.0.0.1:{port}/media-stream", compression=None) as socket:
                for message in stream.open():
                    await socket.send(message.decode())
                while not len(bridge.directory):
                    await asyncio.sleep(0)
                socket.transport.abort()
            while len(bridge.directory):
                await asyncio.sleep(0)
            yield bridge, clock, api


async def record_of(bridge: Bridge) -> CallRecord:
    record = await bridge.store.get(CALL)
    assert record is not None
    return record


async def test_a_placed_call_that_the_carrier_no_longer_knows_is_over() -> None:
    async with lost(GONE) as (bridge, clock, api):
        record = await record_of(bridge)
        assert (record.direction, record.status, record.streams[-1].end) == ("placed", "in-progress", "lost")
        await clock.advance(5)
        async with asyncio.timeout(5):
            while not record.is_over:
                await asyncio.sleep(0)
        assert record.status == "completed"
        assert record.termination is not None
        assert (record.termination.reason, record.termination.result) == ("stream_lost", "upstream")
    assert [(one.method, one.path) for one in api.taken] == [
        ("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json")
    ]


async def test_an_incoming_call_is_over_without_asking() -> None:
    async with lost(GONE, placed=False) as (bridge, clock, api):
        assert (await record_of(bridge)).status == "completed"
        await clock.advance(100)
    assert not api.taken
