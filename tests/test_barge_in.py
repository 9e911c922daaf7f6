"""Barge-in over real sockets: what the ledger says the phone heard, and what the phone recorded."""

from __future__ import annotations

import asyncio
import json
import time
import wave
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bridge.app import create_app
from bridge.carrier.application import create_carrier
from bridge.settings import Settings, SinkChoice
from tests.running import running, running_plain

ACCOUNT, TOKEN = "AC" + "6" * 32, "a token made up for this test"

SINK = '''
import asyncio, json
from pathlib import Path
from bridge import Call, sink
from bridge.audio.tone import tone


@sink("interrupted")
async def interrupted(call: Call, *, report: Path) -> None:
    """Say a long tone, and stop it in the middle, three times."""
    turns = []
    chunks = call.listen(chunk_ms=20)
    for _ in range(3):
        playback = await call.play(tone((1000.0,), 5000, level_dbfs=-10.0))
        for _ in range(40):
            await anext(chunks)
        await call.clear()
        turns.append([await playback.finished(), playback.played_ms, playback.cleared_ms])
        for _ in range(15):
            await anext(chunks)
    report.write_text(json.dumps(turns))
    await call.hangup()
'''


def bursts_ms(path: Path) -> list[float]:
    """How long each tone is that the phone heard, and not silence."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
    loud = np.abs(samples[:, 0].astype(int)) > 300
    # A sine passes zero: what is within 2 ms of something loud belongs to it.
    loud = np.convolve(loud, np.ones(33), "same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], loud.astype(int), [0]))))
    return [float(end - start) / 8 for start, end in zip(edges[::2], edges[1::2], strict=True)]


async def test_after_a_clear_the_phone_hears_nothing_more_and_the_ledger_knows_how_much_it_heard(
    tmp_path: Path,
) -> None:
    (tmp_path / "sink.py").write_text(SINK)
    report = tmp_path / "report.json"
    carrier_app = create_carrier(ACCOUNT, TOKEN, recordings_dir=tmp_path / "phone")
    async with running_plain(carrier_app) as carrier_port:
        settings = Settings(
            recordings_dir=tmp_path / "bridge",
            sinks=(SinkChoice(f"{tmp_path / 'sink.py'}:interrupted", {"report": str(report)}),),
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_api_base=f"http://127.0.0.1:{carrier_port}",
            local_credentials=True,
        )
        async with running(create_app(settings)) as port, aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{port}"
            async with http.post(f"{base}/make-call", json={"to": "sip:demo@localhost"}) as answer:
                sid = (await answer.json())["call_sid"]
            call: dict[str, Any] = {"status": "queued"}
            began_s = time.monotonic()
            while call["status"] != "completed":
                assert time.monotonic() - began_s < 20
                await asyncio.sleep(0.1)
                async with http.get(f"{base}/calls/{sid}") as answer:
                    call = await answer.json()
    turns = json.loads(report.read_text())
    assert [fate for fate, _, _ in turns] == ["cleared"] * 3
    assert all(played_ms + cleared_ms in {4999, 5000} for _, played_ms, cleared_ms in turns)
    (heard,) = (tmp_path / "phone").glob("*.wav")
    bursts = bursts_ms(heard)
    assert len(bursts) == 3
    # One frame, and what the search for the edges adds. More would mean audio after the clear.
    differences_ms = [abs(burst - played) for burst, (_, played, _) in zip(bursts, turns, strict=True)]
    assert max(differences_ms) <= 25, (bursts, turns)
