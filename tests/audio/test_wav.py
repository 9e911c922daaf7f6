"""Recordings, read back by the standard library's and sox's idea of a WAV file."""

import io
import struct
import wave

import pytest

from bridge.audio.wav import MAX_DATA_BYTES, WavWriter, read_pcm
from bridge.errors import AudioError


def reopened(file: io.BytesIO) -> wave.Wave_read:
    reader: wave.Wave_read = wave.open(io.BytesIO(file.getvalue()))  # noqa: SIM115  (nothing to close)
    return reader


def test_the_file_is_valid_from_its_first_byte_on_and_after_every_flush() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, channels=2)
    assert reopened(file).getnframes() == 0
    for flushed in (1, 2, 3):
        writer.write(b"\x01\x02\x03\x04" * 160)
        assert (
            reopened(file).getnframes() == (flushed - 1) * 160
        )  # not flushed yet: still the old, valid size
        writer.flush()
        assert reopened(file).getnframes() == flushed * 160
    assert writer.frames == 480
    assert reopened(file).readframes(1) == b"\x01\x02\x03\x04"


def test_mulaw_carries_the_fact_chunk_and_its_true_length() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, encoding="mulaw")
    writer.write(b"\xff" * 161)
    writer.close()
    data = file.getvalue()
    assert data[20:22] == struct.pack("<H", 7)  # WAVE_FORMAT_MULAW
    assert data[data.index(b"fact") + 8 :][:4] == struct.pack("<I", 161)
    assert data[data.index(b"data") + 4 :][:4] == struct.pack("<I", 161)
    assert len(data) % 2 == 0, "RIFF chunks are padded to even length"
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8


def test_half_a_block_is_refused_and_writes_nothing() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, channels=2)
    with pytest.raises(AudioError, match="4-byte blocks"):
        writer.write(b"\x00" * 6)
    assert writer.frames == 0


def test_riff_s_own_limit_is_an_error_not_a_broken_header() -> None:
    writer = WavWriter(io.BytesIO())
    writer._data_bytes = MAX_DATA_BYTES
    with pytest.raises(AudioError, match="4 GiB"):
        writer.write(b"\x00\x00")


def test_reading_back_gives_the_same_pcm() -> None:
    file = io.BytesIO()
    writer = WavWriter(file)
    writer.write(b"\x10\x20" * 100)
    writer.close()
    assert read_pcm(io.BytesIO(file.getvalue())) == b"\x10\x20" * 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a PCM WAV"),
        (b"ID3\x03" + bytes(100), "not a PCM WAV"),
        (b"RIFF\x04\x00\x00\x00WAVE", "not a PCM"),
    ],
)
def test_what_is_no_wav_is_refused_with_the_way_to_mend_it(content: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message) as caught:
        read_pcm(io.BytesIO(content))
    assert "sox in.wav" in str(caught.value)


def test_another_rate_is_refused_and_named() -> None:
    file = io.BytesIO()
    WavWriter(file, sample_rate_hz=16_000).close()
    with pytest.raises(AudioError, match="16000 Hz"):
        read_pcm(io.BytesIO(file.getvalue()))
