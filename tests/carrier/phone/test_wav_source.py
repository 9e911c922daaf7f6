from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.audio.g711 import decode_ulaw, encode_alaw, encode_ulaw
from bridge.audio.tone import tone
from bridge.carrier.phone.wav_source import ulaw_from_wav
from bridge.errors import AudioError


def pcm_wav(pcm: bytes, *, rate_hz: int = 8000, channels: int = 1, bits: int = 16) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(bits // 8)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()


def raw_wav(tag: int, bits: int, data: bytes, *, extra: bytes = b"", before: bytes = b"") -> bytes:
    format_ = struct.pack("<HHIIHH", tag, 1, 8000, 8000 * bits // 8, bits // 8, bits) + extra
    body = b"WAVE" + before + struct.pack("<4sI", b"fmt ", len(format_)) + format_
    body += struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def floats(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2") / 32768


def level_at_hz(ulaw: bytes, hz: float) -> float:
    """Amplitude of one frequency, relative to full scale."""
    samples = floats(decode_ulaw(ulaw))[400:-400]
    window = np.hanning(len(samples))
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / 8000)
    return float(2 * abs(np.sum(samples * window * turns)) / np.sum(window))


TONE = tone([440], 500, level_dbfs=-12)


def test_every_16_bit_value_at_8_khz_is_encoded_once_and_nothing_else() -> None:
    pcm = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert ulaw_from_wav(pcm_wav(pcm)) == encode_ulaw(pcm)


def test_mulaw_files_are_taken_as_they_are() -> None:
    every_code = bytes(range(256))
    assert ulaw_from_wav(raw_wav(7, 8, every_code, extra=b"\x00\x00")) == every_code


def test_alaw_files_are_transcoded() -> None:
    got = floats(decode_ulaw(ulaw_from_wav(raw_wav(6, 8, encode_alaw(TONE)))))
    assert np.max(np.abs(got - floats(TONE))) < 0.02


@pytest.mark.parametrize("bits", [8, 24, 32])
def test_other_widths(bits: int) -> None:
    samples = floats(TONE)
    if bits == 8:
        pcm = np.rint(samples * 128 + 128).astype(np.uint8).tobytes()
    elif bits == 24:
        wide = np.rint(samples * 2**23).astype("<i4")
        pcm = wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        pcm = np.rint(samples * 2**31).astype("<i4").tobytes()
    got = floats(decode_ulaw(ulaw_from_wav(pcm_wav(pcm, bits=bits))))
    assert np.max(np.abs(got - samples)) < 0.02


def test_float_files_and_values_beyond_full_scale() -> None:
    data = np.array([0.0, 0.25, -0.25, 4.0, -4.0, np.nan], "<f4").tobytes()
    got = floats(decode_ulaw(ulaw_from_wav(raw_wav(3, 32, data))))
    assert got == pytest.approx([0, 0.25, -0.25, 0.98, -0.98, 0], abs=0.01)


def test_the_extensible_format_says_its_tag_later() -> None:
    extra = struct.pack("<HHIH", 22, 16, 4, 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    assert ulaw_from_wav(raw_wav(0xFFFE, 16, TONE, extra=extra)) == encode_ulaw(TONE)


def test_two_channels_are_averaged() -> None:
    stereo = np.zeros(8000, "<i2")
    stereo[0::2] = 8000
    stereo[1::2] = -4000
    got = np.frombuffer(decode_ulaw(ulaw_from_wav(pcm_wav(stereo.tobytes(), channels=2))), "<i2")
    assert len(got) == 4000
    assert np.all(np.abs(got - 2000) < 100)


@pytest.mark.parametrize("rate_hz", [6000, 11_025, 16_000, 22_050, 44_100, 48_000, 8001])
def test_other_rates_keep_the_pitch_the_level_and_the_length(rate_hz: int) -> None:
    wav = pcm_wav(tone([1000], 1000, level_dbfs=-12, sample_rate_hz=rate_hz), rate_hz=rate_hz)
    got = ulaw_from_wav(wav)
    assert abs(len(got) - 8000) <= 1
    assert level_at_hz(got, 1000) == pytest.approx(10 ** (-12 / 20) * 2**0.5, rel=0.02)


def test_what_8_khz_cannot_carry_does_not_fold_back() -> None:
    wav = pcm_wav(tone([5000], 1000, level_dbfs=-6, sample_rate_hz=48_000), rate_hz=48_000)
    assert level_at_hz(ulaw_from_wav(wav), 3000) < 10 ** (-60 / 20)


def test_unknown_chunks_of_odd_length_are_skipped() -> None:
    before = struct.pack("<4sI", b"LIST", 3) + b"abc\x00"
    assert ulaw_from_wav(raw_wav(7, 8, b"\x01\x02", before=before)) == b"\x01\x02"


def test_a_data_chunk_of_unknown_length_is_read_to_its_end() -> None:
    wav = bytearray(pcm_wav(TONE))
    wav[40:44] = b"\xff\xff\xff\xff"
    assert ulaw_from_wav(bytes(wav[:-1])) == encode_ulaw(TONE)[:-1]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "RIFF"),
        (b"ID3\x03 an mp3", "RIFF"),
        (b"RIFF\x00\x00\x00\x00WAVE", "no data"),
        (b"RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00", "before its format"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt \x04\x00\x00\x00\x01\x00\x01\x00", "cut short"),
        (raw_wav(85, 16, b"mp3 inside"), "format 85"),
        (raw_wav(1, 12, b""), "12 bits"),
        (raw_wav(1, 16, b"").replace(b"\x01\x00\x40\x1f", b"\x00\x00\x40\x1f", 1), "impossible"),
    ],
)
def test_what_is_no_wav_file_is_refused_with_the_reason(data: bytes, word: str) -> None:
    with pytest.raises(AudioError, match=word):
        ulaw_from_wav(data)


def test_an_empty_recording_is_empty() -> None:
    assert ulaw_from_wav(pcm_wav(b"")) == b""
    assert ulaw_from_wav(pcm_wav(b"", rate_hz=44_100)) == b""
