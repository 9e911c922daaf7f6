from __future__ import annotations

import asyncio
import threading
import wave
from pathlib import Path

import pytest

from bridge.audio.g711 import decode_ulaw
from bridge.carrier.phone import recording as phone_recording
from bridge.carrier.phone.recording import WRITE_BYTES, PhoneRecording


def read_pcm(path: Path) -> bytes:
    with wave.open(str(path)) as reader:
        pcm: bytes = reader.readframes(reader.getnframes())
    return pcm


async def test_a_long_recording_is_on_disk_and_valid_before_it_is_closed(tmp_path: Path) -> None:
    recording = PhoneRecording(tmp_path / "x.wav")
    audio = bytes(index % 256 for index in range(WRITE_BYTES))
    for start in range(0, len(audio), 160):
        recording.append(audio[start : start + 160])
    assert recording._job is not None
    await recording._job
    assert read_pcm(recording.path) == decode_ulaw(audio)
    recording.append(b"\x07" * 160)
    await recording.close()
    assert read_pcm(recording.path) == decode_ulaw(audio + b"\x07" * 160)


async def test_writing_happens_in_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()

    def decode(payload: bytes) -> bytes:
        threads.add(threading.get_ident())
        return decode_ulaw(payload)

    monkeypatch.setattr(phone_recording, "decode_ulaw", decode)
    recording = PhoneRecording(tmp_path / "x.wav")
    recording.append(bytes(WRITE_BYTES))
    recording.append(bytes(160))
    await recording.close()
    assert threads
    assert threading.get_ident() not in threads


async def test_what_comes_while_a_thread_writes_keeps_its_order(tmp_path: Path) -> None:
    recording = PhoneRecording(tmp_path / "x.wav")
    pieces = [bytes([number]) * WRITE_BYTES for number in range(1, 6)]
    for piece in pieces:
        recording.append(piece)
    await recording.close()
    assert read_pcm(recording.path) == decode_ulaw(b"".join(pieces))


async def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"mine")
    (tmp_path / "x-2.wav").write_bytes(b"mine too")
    recording = PhoneRecording(tmp_path / "x.wav")
    recording.append(b"\x00" * 160)
    await recording.close()
    assert recording.path == tmp_path / "x-3.wav"
    assert len(read_pcm(recording.path)) == 320
    assert (tmp_path / "x.wav").read_bytes() == b"mine"


async def test_a_phone_that_heard_nothing_leaves_an_empty_valid_file(tmp_path: Path) -> None:
    recording = PhoneRecording(tmp_path / "x.wav")
    await recording.close()
    assert read_pcm(recording.path) == b""


async def test_a_disk_that_fails_ends_the_recording_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    recording = PhoneRecording(tmp_path / "file" / "x.wav")
    recording.append(bytes(WRITE_BYTES))
    await recording.close()
    recording.append(bytes(WRITE_BYTES))
    await recording.close()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "ended early" in caplog.text


async def test_a_disk_that_falls_behind_ends_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(phone_recording, "MAX_WAITING_BYTES", 3 * WRITE_BYTES)
    slow = threading.Event()

    def stuck(payload: bytes) -> bytes:
        assert slow.wait(10)
        return decode_ulaw(payload)

    monkeypatch.setattr(phone_recording, "decode_ulaw", stuck)
    recording = PhoneRecording(tmp_path / "x.wav")
    for _ in range(10):
        recording.append(bytes(WRITE_BYTES))
    assert len(recording._waiting) <= 4 * WRITE_BYTES
    slow.set()
    await recording.close()
    assert "behind" in caplog.text


async def test_a_cancelled_close_can_be_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = threading.Event()

    def stuck(payload: bytes) -> bytes:
        assert slow.wait(10)
        return decode_ulaw(payload)

    monkeypatch.setattr(phone_recording, "decode_ulaw", stuck)
    recording = PhoneRecording(tmp_path / "x.wav")
    recording.append(b"\x05" * 160)
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(recording.close())
        await asyncio.sleep(0)
        closing.cancel()
    slow.set()
    await recording.close()
    assert read_pcm(recording.path) == decode_ulaw(b"\x05" * 160)
