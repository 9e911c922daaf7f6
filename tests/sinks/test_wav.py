"""Recordings as files: exact, never overwritten, valid when everything goes wrong."""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from bridge.audio import g711
from bridge.sinks.registry import bind_all
from bridge.testing import settle
from tests.session.test_session import Phone

SAID = bytes((n * 7) % 256 for n in range(160 * 60))


async def record(directory: Path, payload: bytes = SAID, *, cancel: bool = False) -> Path:
    phone = Phone(grace_s=5)
    run = asyncio.ensure_future(phone.session.run(bind_all([("wav", {"directory": directory})])))
    for start in range(0, len(payload), 160):
        phone.says(payload[start : start + 160])
        if start == 160 * 40:
            await asyncio.to_thread(lambda: None)
    await settle()
    if cancel:
        while not phone.session.record.recordings or wave_frames(phone.session.record.recordings[0]) < 8000:
            await asyncio.to_thread(lambda: None)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    else:
        phone.stops()
        await run
    return phone.session.record.recordings[0]


def wave_frames(path: Path) -> int:
    try:
        with wave.open(str(path)) as file:
            frames: int = file.getnframes()
            return frames
    except EOFError:
        return 0


async def test_the_left_channel_is_the_phone_sample_for_sample(tmp_path: Path) -> None:
    path = await record(tmp_path)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert samples[:, 0].tobytes() == g711.decode_ulaw(SAID)
    assert not samples[:, 1].any()


async def test_the_name_says_when_and_which_and_nothing_is_overwritten(tmp_path: Path) -> None:
    first, second = await record(tmp_path), await record(tmp_path)
    assert first.name == f"20260101T000000Z_CA{'1' * 32}_MZ{'2' * 32}.wav"
    assert second.name == first.name.replace(".wav", "_2.wav")
    assert wave_frames(first) == wave_frames(second) == len(SAID)


async def test_a_cancelled_recording_is_a_valid_file(tmp_path: Path) -> None:
    path = await record(tmp_path, cancel=True)
    with wave.open(str(path)) as file:
        assert file.getnframes() in {8000, len(SAID)}, "whole chunks of half a second, or all of it"
        left = np.frombuffer(file.readframes(file.getnframes()), "<i2")[0::2]
    assert g711.decode_ulaw(SAID).startswith(left.tobytes())


async def test_an_empty_call_is_an_empty_file_not_a_broken_one(tmp_path: Path) -> None:
    assert wave_frames(await record(tmp_path, b"")) == 0


async def test_a_directory_that_cannot_be_made_fails_this_sink_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    phone = Phone()
    run = asyncio.ensure_future(
        phone.session.run(bind_all([("wav", {"directory": tmp_path / "file" / "x"})]))
    )
    await settle()
    phone.says()
    phone.stops()
    await run
    assert "NotADirectoryError" in phone.session.record.sinks["wav"]
