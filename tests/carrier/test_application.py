from __future__ import annotations

import asyncio
import json
import wave
from pathlib import Path

import aiohttp
import pytest

from bridge.audio.g711 import decode_ulaw
from bridge.carrier.application import create_carrier
from bridge.carrier.phone import speech
from tests.carrier.signalling_stage import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    TIMEOUT_S,
    Carrier,
    FastClock,
    application,
    served,
)


async def test_the_demonstration_call_is_over_within_twelve_seconds(tmp_path: Path) -> None:
    clock = FastClock(3)
    app = create_carrier(ACCOUNT_SID, AUTH_TOKEN, clock=clock, recordings_dir=tmp_path)
    async with application() as program, served(app) as url:
        local = Carrier(app, url)
        stream = f"{program.url.replace('http', 'ws')}/media-stream"
        started_s = clock.now_s()
        created = await local.create(
            twiml=f'<Response><Connect><Stream url="{stream}"/></Connect></Response>'
        )
        ended = await local.over(created.sid)
        assert clock.now_s() - started_s < 12
        assert ended.status == "completed"
        assert program.heard()[: len(speech.demo())] == speech.demo()
        [recording] = files(tmp_path)
        assert created.sid in recording.name
        with wave.open(str(recording)) as reader:
            heard = reader.readframes(reader.getnframes())
        said = decode_ulaw(speech.demo())
        assert said[:64_000] in heard  # what the echo sent back, sample for sample


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@pytest.mark.parametrize("from_", ["+15005550006", "+12025550123", "+12025550177"])
async def test_which_numbers_may_call_numbers(from_: str) -> None:
    app = create_carrier(ACCOUNT_SID, AUTH_TOKEN, clock=FastClock(), numbers=["+12025550177"])
    async with served(app) as url:
        created = await Carrier(app, url).create(to="+12025550124", from_=from_, twiml="<Response/>")
        assert created.status == "queued"


async def test_health_tells_how_many_calls_are_live() -> None:
    app = create_carrier(ACCOUNT_SID, AUTH_TOKEN, clock=FastClock())
    async with served(app) as url, aiohttp.ClientSession() as session:
        local = Carrier(app, url)
        await local.create(to="sip:noanswer@localhost", twiml="<Response/>")
        async with session.get(f"{url}/healthz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok", "live_calls": 1})


async def test_stopping_the_application_ends_its_calls() -> None:
    app = create_carrier(ACCOUNT_SID, AUTH_TOKEN, clock=FastClock())
    async with application() as program:
        stream = f"{program.url.replace('http', 'ws')}/media-stream"
        document = f'<Response><Connect><Stream url="{stream}"/></Connect></Response>'
        async with asyncio.timeout(TIMEOUT_S), served(app) as url:
            local = Carrier(app, url)
            created = await local.create(twiml=document)
            await program.wait_for(lambda: bool(program.streams) and len(program.streams[0]) > 2)
        assert local.exchange.find(created.sid).status == "completed"
        assert json.dumps(program.streams[0][-1]["event"]) == '"stop"'
