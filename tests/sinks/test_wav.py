"""Recordings as files: exact, never overwritten, valid when everything goes wrong."""

import asyncio
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.audio import g711
from bridge.errors import ConfigurationError
from bridge.sinks.registry import bind_all
from bridge.testing import ScriptedCall, settle
from tests.session.test_session import Phone

SAID = bytes((n * 7) % 256 for n in range(160 * 60))


async def record(
    directory: Path, payload: bytes = SAID, *, cancel: bool = False, options: dict[str, Any] | None = None
) -> Path:
    phone = Phone(grace_s=5)
    sinks = bind_all([("wav", {"directory": directory, **(options or {})})])
    run = asyncio.ensure_future(phone.session.run(sinks))
    for start in range(0, len(payload), 160):
        phone.says(payload[start : start + 160])
        if start == 160 * 40:
            await asyncio.to_thread(lambda: None)
    await settle()
    if cancel:
        while not phone.session.record.recordings or wave_frames(phone.session.record.recordings[0]) < 4000:
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
        assert file.getnframes() == len(SAID) or file.getnframes() % 160 == 0, "whole chunks, or all of it"
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


# Other shapes

ANSWERED = bytes(255 - n % 128 for n in range(160 * 20))


def body(path: Path, *, header_bytes: int) -> bytes:
    return path.read_bytes()[header_bytes:]


async def spoken_both_ways(directory: Path, **options: Any) -> Path:
    """Half a second of each side, ours from the fifth frame on."""
    call = ScriptedCall()
    (sink,) = bind_all([("wav", {"directory": directory, **options})])
    async with call.running(sink):
        await call.speaks(SAID[: 160 * 5])
        await call.session.play(ANSWERED, encoding="mulaw")
        await settle()  # the mark before it comes back
        await call.speaks(SAID[160 * 5 : 160 * 25])
    return call.session.record.recordings[0]


async def test_mu_law_keeps_the_phones_own_bytes(tmp_path: Path) -> None:
    path = await spoken_both_ways(tmp_path, encoding="mulaw")
    data = path.read_bytes()
    assert data[20:24] == b"\x07\x00\x02\x00", "format 7, two channels"
    stereo = body(path, header_bytes=58)
    assert stereo[0::2] == SAID[: 160 * 25]
    assert stereo[1::2] == b"\xff" * 160 * 5 + ANSWERED


@pytest.mark.parametrize(
    ("track", "expected"),
    [("inbound", SAID[: 160 * 25]), ("outbound", b"\xff" * 160 * 5 + ANSWERED)],
)
async def test_one_side_is_mono(tmp_path: Path, track: str, expected: bytes) -> None:
    path = await spoken_both_ways(tmp_path, track=track)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getnframes()) == (1, len(expected))
        assert file.readframes(len(expected)) == g711.decode_ulaw(expected)


@pytest.mark.parametrize("encoding", ["pcm16", "mulaw"])
async def test_a_mix_is_the_sum_of_both_sides_cut_at_full_scale(tmp_path: Path, encoding: str) -> None:
    path = await spoken_both_ways(tmp_path, track="mix", encoding=encoding)
    left = np.frombuffer(g711.decode_ulaw(SAID[: 160 * 25]), "<i2").astype(int)
    right = np.frombuffer(g711.decode_ulaw(b"\xff" * 160 * 5 + ANSWERED), "<i2").astype(int)
    total = left + right
    assert abs(total).max() > 32767, "there is something to cut"
    expected = total.clip(-32768, 32767).astype("<i2").tobytes()
    if encoding == "pcm16":
        assert body(path, header_bytes=44) == expected
    else:
        assert body(path, header_bytes=58) == g711.encode_ulaw(expected)


@pytest.mark.parametrize("encoding", ["pcm16", "mulaw"])
@pytest.mark.parametrize("track", ["both", "inbound", "mix"])
async def test_what_is_dropped_becomes_silence_of_the_same_length(
    tmp_path: Path, track: str, encoding: str
) -> None:
    loud = b"\x80" * 160
    call = ScriptedCall()
    options = {"directory": tmp_path, "track": track, "encoding": encoding, "max_queue_ms": 500}
    async with call.running(*bind_all([("wav", options)])):
        for _ in range(200):  # four seconds at once
            call.sends(loud)
    (path,) = call.session.record.recordings
    data = body(path, header_bytes=58 if encoding == "mulaw" else 44)
    pcm = g711.decode_ulaw(data) if encoding == "mulaw" else data
    phone = np.frombuffer(pcm, "<i2")[:: 2 if track == "both" else 1]
    assert len(phone) == 200 * 160
    dropped_ms = call.session.record.counters.dropped_ms
    assert 2500 <= dropped_ms <= 3600, "all but what may wait, in chunks of about half a second"
    assert not phone[: 8 * dropped_ms].any()
    assert phone[8 * dropped_ms :].all()


async def test_a_mu_law_file_of_odd_length_is_padded_and_says_its_true_length(tmp_path: Path) -> None:
    path = await record(tmp_path, b"\x10" * 161, options={"track": "inbound", "encoding": "mulaw"})
    data = path.read_bytes()
    assert len(data) % 2 == 0
    assert int.from_bytes(data[54:58], "little") == 161
    assert int.from_bytes(data[4:8], "little") == len(data) - 8


@pytest.mark.parametrize("options", [{"track": "left"}, {"encoding": "mp3"}])
def test_options_are_checked_before_a_call_comes(options: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        bind_all([("wav", options)])
