from __future__ import annotations

import numpy as np
import pytest

from bridge.audio.level import level_dbfs
from bridge.audio.tone import DTMF_HZ, dtmf, tone
from bridge.errors import AudioError


def power_at_hz(pcm: bytes, hz: float, sample_rate_hz: int = 8000) -> float:
    """The share of a piece of audio's power found at one frequency (one-bin Fourier transform)."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    window = np.hanning(len(samples))
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / sample_rate_hz)
    return float(abs(np.sum(samples * window * turns)) ** 2 / np.sum(window) / np.sum((samples**2) * window))


def test_a_tone_has_its_length_level_and_frequency() -> None:
    pcm = tone([1000], 1000, level_dbfs=-20)
    assert len(pcm) == 16_000
    assert level_dbfs(pcm) == pytest.approx(-20, abs=0.1)
    assert power_at_hz(pcm, 1000) == pytest.approx(0.5, abs=0.02)  # one of a sine's two halves
    assert power_at_hz(pcm, 1100) < 1e-6


def test_other_sampling_rates() -> None:
    pcm = tone([3000], 100, sample_rate_hz=16_000)
    assert len(pcm) == 3200
    assert power_at_hz(pcm, 3000, 16_000) > 0.45


@pytest.mark.parametrize("digit", sorted(DTMF_HZ))
def test_every_digit_has_its_two_frequencies_and_no_other(digit: str) -> None:
    pcm = dtmf(digit)
    assert len(pcm) == 1600
    strong = {hz for pair in DTMF_HZ.values() for hz in pair if power_at_hz(pcm, hz) > 0.2}
    weak = {hz for pair in DTMF_HZ.values() for hz in pair if power_at_hz(pcm, hz) < 0.01}
    assert strong == set(DTMF_HZ[digit])
    assert len(strong) + len(weak) == 8


def test_the_keypad_is_that_of_q23() -> None:
    assert DTMF_HZ["1"] == (697, 1209)
    assert DTMF_HZ["0"] == (941, 1336)
    assert DTMF_HZ["#"] == (941, 1477)
    assert DTMF_HZ["D"] == (941, 1633)
    assert len(set(DTMF_HZ.values())) == 16


def test_lower_case_digits_are_the_same_keys() -> None:
    assert dtmf("a") == dtmf("A")


def test_a_tone_begins_and_ends_softly() -> None:
    samples = np.frombuffer(dtmf("5"), "<i2")
    steps = np.abs(np.diff(samples.astype(int)))
    assert samples[0] == 0
    assert abs(int(samples[-1])) < 100
    assert steps[:8].max() < steps.max() / 4


@pytest.mark.parametrize("duration_ms", [0, 1])
def test_very_short_tones_are_allowed(duration_ms: int) -> None:
    assert len(tone([440], duration_ms)) == 16 * duration_ms


@pytest.mark.parametrize(
    ("frequencies_hz", "level", "word"),
    [([], -20, "frequencies"), ([4000], -20, "4000"), ([0], -20, "frequencies"), ([400, 500], -3, "clip")],
)
def test_impossible_tones_are_refused(frequencies_hz: list[float], level: float, word: str) -> None:
    with pytest.raises(AudioError, match=word):
        tone(frequencies_hz, 20, level_dbfs=level)


@pytest.mark.parametrize("digit", ["", "E", "12", "w"])
def test_what_is_no_digit_is_refused(digit: str) -> None:
    with pytest.raises(AudioError, match="no telephone digit"):
        dtmf(digit)
