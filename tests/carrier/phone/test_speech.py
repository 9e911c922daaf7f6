from __future__ import annotations

import io
import wave
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from bridge.audio.g711 import decode_ulaw, encode_ulaw
from bridge.audio.level import level_dbfs
from bridge.audio.tone import dtmf
from bridge.carrier.phone import speech
from bridge.errors import AudioError


def test_speech_is_one_short_tone() -> None:
    payload = speech.say("Welcome to the bridge")
    assert len(payload) == 3200
    assert level_dbfs(decode_ulaw(payload)) == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_no_text_is_no_tone(text: str) -> None:
    assert speech.say(text) == b""


def test_digits_and_waits() -> None:
    payload = speech.digits("1w#W")
    one, pound, gap = encode_ulaw(dtmf("1")), encode_ulaw(dtmf("#")), b"\xff" * 800
    assert payload == one + gap + b"\xff" * 4000 + pound + gap + b"\xff" * 8000


@pytest.mark.parametrize("text", ["1x", "1 2", "+", "١"])
def test_what_has_no_tone_is_refused(text: str) -> None:
    with pytest.raises(AudioError, match="no telephone digit"):
        speech.digits(text)


def test_a_file_is_read_by_path_and_by_content(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(b"\x00\x10" * 100)
    assert speech.load_wav(path) == speech.load_wav(path.read_bytes()) == encode_ulaw(b"\x00\x10" * 100)


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"missing\.wav: No such file"):
        speech.load_wav(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(AudioError, match=r"text\.wav: not a WAV file"):
        speech.load_wav(tmp_path / "text.wav")


def test_the_demonstration_is_two_to_five_seconds_of_8_khz_mono_pcm16() -> None:
    data = files("bridge").joinpath("samples", "demo.wav").read_bytes()
    with wave.open(io.BytesIO(data)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 8000)
        pcm = reader.readframes(reader.getnframes())
    assert 2 * 8000 <= len(pcm) // 2 <= 5 * 8000
    assert speech.demo() == encode_ulaw(pcm)


def test_the_demonstration_is_speech_and_not_a_tone() -> None:
    samples = np.frombuffer(decode_ulaw(speech.demo()), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    share = np.sort(spectrum)[::-1].cumsum() / spectrum.sum()
    assert np.searchsorted(share, 0.5) > 100  # half the power is spread over many frequencies
    assert -30 < level_dbfs(decode_ulaw(speech.demo())) < -12
