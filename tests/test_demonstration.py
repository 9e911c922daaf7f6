"""The demonstration, whole: server and carrier on real sockets, one call, both recordings compared."""

from __future__ import annotations

import asyncio
import time
import wave
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bridge.app import create_app
from bridge.audio import g711
from bridge.carrier.application import create_carrier
from bridge.carrier.phone import speech
from bridge.settings import Settings, SinkChoice
from tests.running import running, running_plain

ACCOUNT, TOKEN = "AC" + "5" * 32, "a token made up for this test"


def channels(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    with wave.open(str(path)) as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.reshape(-1, file.getnchannels())


def position(needle: bytes, samples: np.ndarray[Any, np.dtype[np.int16]]) -> int:
    """Where this PCM stands in a channel, in samples; −1 if it does not, sample for sample."""
    at = samples.tobytes().find(needle)
    return at // 2 if at % 2 == 0 else -1


def share_in_order(spoken: bytes, heard: bytes) -> float:
    """How much of this PCM is there, frame by frame, each after the one before, sample for sample."""
    frames = [spoken[n : n + 320] for n in range(0, len(spoken), 320)]
    at, found = 0, 0
    for frame in frames:
        here = heard.find(frame, at)
        if here >= 0:
            at, found = here + len(frame), found + 1
    return found / len(frames)


async def test_make_call_rings_the_demo_phone_and_both_sides_hear_it_exactly(tmp_path: Path) -> None:
    carrier_app = create_carrier(ACCOUNT, TOKEN, recordings_dir=tmp_path / "phone")
    async with running_plain(carrier_app) as carrier_port:
        settings = Settings(
            recordings_dir=tmp_path / "bridge",
            sinks=(SinkChoice("wav"), SinkChoice("echo")),
            twilio_account_sid=ACCOUNT,
            twilio_auth_token=TOKEN,
            twilio_api_base=f"http://127.0.0.1:{carrier_port}",
            local_credentials=True,
        )
        async with running(create_app(settings)) as port, aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{port}"
            began_s = time.monotonic()
            async with http.post(f"{base}/make-call", json={"to": "sip:demo@localhost"}) as answer:
                assert answer.status == 200
                body = await answer.json()
            assert list(body) == ["call_sid"]
            sid = body["call_sid"]
            call: dict[str, Any] = {"status": "queued"}
            while call["status"] != "completed":
                await asyncio.sleep(0.1)
                async with http.get(f"{base}/calls/{sid}") as answer:
                    call = await answer.json()
                assert time.monotonic() - began_s < 12, "the whole demonstration is over within 12 s"
            async with http.get(f"{base}/calls/{sid}/recording") as answer:
                assert answer.content_type == "audio/wav"
                served = await answer.read()
    assert call["termination"] == {"result": "success", "reason": "phone_hung_up"}
    assert call["sip_status"] == 200
    (stream,) = call["streams"]
    assert stream["sinks"] == {"wav": "done", "echo": "done"}
    assert (stream["gaps"], stream["violations"], stream["duplicates"]) == (0, 0, 0)

    (recording,) = (tmp_path / "bridge").glob("*.wav")
    assert recording.read_bytes() == served
    ours = channels(recording)
    assert len(ours) == stream["frames"] * 160, "its length is the stream's, to the frame"
    spoken = g711.decode_ulaw(speech.demo())
    said_at = position(spoken, ours[:, 0])
    assert said_at >= 0, "the left channel holds the phone's speech sample for sample"
    if stream["underruns"] == 0:
        played_at = position(spoken, ours[:, 1])
        assert 0 < played_at - said_at <= 800, "the right channel holds the echo, at most 100 ms later"
    # On a machine that stood still for a moment the phone heard silence there, and so does the recording.
    assert share_in_order(spoken, ours[:, 1].tobytes()) > 0.97, "the right channel holds the echo"

    (heard,) = (tmp_path / "phone").glob("*.wav")
    # The phone hears in real time: what came late on a busy machine has a moment of silence before it.
    assert share_in_order(spoken, channels(heard)[:, 0].tobytes()) > 0.97, "the phone hears its speech again"
