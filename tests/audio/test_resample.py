"""Resampling, measured by test tones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.audio.resample import DELAY_MS, Downsampler, Upsampler, _taps
from bridge.errors import AudioError

HIGH_RATES_HZ = [16_000, 24_000, 48_000]
SECONDS = 1


def sine(hz: float, rate_hz: int, amplitude: float = 20_000) -> bytes:
    samples = amplitude * np.sin(2 * math.pi * hz * np.arange(rate_hz * SECONDS) / rate_hz)
    return np.round(samples).astype("<i2").tobytes()


def amplitudes(pcm: bytes, rate_hz: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Spectrum of the settled part: frequencies in Hz, amplitudes."""
    samples = np.frombuffer(pcm, "<i2").astype(float)[rate_hz // 10 :]
    window = np.blackman(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window)) / window.sum() * 2
    return np.fft.rfftfreq(len(samples), 1 / rate_hz), spectrum


def level_db(pcm: bytes, rate_hz: int, hz: float, amplitude: float = 20_000) -> float:
    frequencies, spectrum = amplitudes(pcm, rate_hz)
    near = spectrum[np.abs(frequencies - hz) < 20]
    return 20 * math.log10(max(near.max(), 1e-9) / amplitude)


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
@pytest.mark.parametrize("hz", [100, 300, 1000, 2000, 3000, 3400, 3600])
def test_the_pass_band_is_flat_both_ways(rate_hz: int, hz: int) -> None:
    up = Upsampler(rate_hz).convert(sine(hz, 8000))
    assert abs(level_db(up, rate_hz, hz)) < 0.5
    down = Downsampler(rate_hz).convert(sine(hz, rate_hz))
    assert abs(level_db(down, 8000, hz)) < 0.5


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
@pytest.mark.parametrize("hz", [300, 1000, 2500, 3600])
def test_no_image_is_louder_than_60_db_down(rate_hz: int, hz: int) -> None:
    frequencies, spectrum = amplitudes(Upsampler(rate_hz).convert(sine(hz, 8000)), rate_hz)
    images = spectrum[np.abs(frequencies - hz) > 50]
    assert 20 * math.log10(images.max() / 20_000) < -60


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
@pytest.mark.parametrize("above_hz", [4400, 5000, 6500, 7500])
def test_no_alias_is_louder_than_60_db_down(rate_hz: int, above_hz: int) -> None:
    _, spectrum = amplitudes(Downsampler(rate_hz).convert(sine(above_hz, rate_hz)), 8000)
    assert spectrum.max() < 20_000 / 1000


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
def test_the_filter_keeps_its_promise_at_every_frequency_not_only_at_the_tones(rate_hz: int) -> None:
    taps = _taps(rate_hz // 8000)
    gain = np.abs(np.fft.rfft(taps, 16 * rate_hz)) / (rate_hz // 8000)
    hz = np.fft.rfftfreq(16 * rate_hz, 1 / rate_hz)
    pass_band_db = 20 * np.log10(gain[hz <= 3600])
    assert max(abs(float(db)) for db in pass_band_db) < 0.4
    assert 20 * np.log10(max(float(value) for value in gain[hz >= 4400])) < -61
    assert (taps == taps[::-1]).all(), "linear phase"


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
def test_the_output_is_that_of_exact_whole_number_arithmetic(rate_hz: int) -> None:
    factor = rate_hz // 8000
    whole_taps = (_taps(factor) * (1 << 17)).astype(np.int64)
    assert (whole_taps == _taps(factor) * (1 << 17)).all()
    samples = np.random.default_rng(3).integers(-32_768, 32_768, 6007).astype("<i2")
    stuffed = np.zeros(len(samples) * factor, np.int64)
    stuffed[::factor] = samples
    up = np.convolve(stuffed, whole_taps)[: len(stuffed)]
    assert Upsampler(rate_hz).convert(samples.tobytes()) == rounded(up, 1 << 17)
    down = np.convolve(samples.astype(np.int64), whole_taps)[: len(samples) : factor]
    assert Downsampler(rate_hz).convert(samples.tobytes()) == rounded(down, factor << 17)


def rounded(sums: np.ndarray[Any, Any], divisor: int) -> bytes:
    """Half to even, by whole numbers, and clipped."""
    quotient, rest = np.divmod(sums, divisor)
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (quotient % 2 == 1))
    samples: np.ndarray[Any, Any] = (quotient + up).clip(-32_768, 32_767).astype("<i2")
    return samples.tobytes()


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
def test_half_a_sample_is_refused_and_spoils_nothing(rate_hz: int) -> None:
    for converter in (Upsampler(rate_hz), Downsampler(rate_hz)):
        whole = type(converter)(rate_hz).convert(sine(440, 8000))
        with pytest.raises(ValueError, match="3 bytes"):
            converter.convert(bytes(3))
        assert converter.convert(sine(440, 8000)) == whole


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
def test_finishing_gives_the_end_that_the_filter_holds(rate_hz: int) -> None:
    click = np.zeros(rate_hz // 50, "<i2")
    click[-1] = 30_000
    down = Downsampler(rate_hz)
    settled = np.frombuffer(down.convert(click.tobytes()) + down.finish(), "<i2")
    assert abs(int(settled.astype(int).sum()) - 30_000 * 8000 // rate_hz) < 3000
    loudest = max(range(len(settled)), key=lambda at: abs(int(settled[at])))
    assert loudest >= 160, "the click comes after the 20 ms that went in"


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
def test_the_delay_is_what_is_stated_and_at_most_2_ms(rate_hz: int) -> None:
    click = np.zeros(400, "<i2")
    click[100] = 30_000
    up = np.frombuffer(Upsampler(rate_hz).convert(click.tobytes()), "<i2").astype(float)
    centre_ms = float(np.dot(up, np.arange(len(up)))) / float(up.sum()) / rate_hz * 1000
    assert centre_ms - 12.5 == pytest.approx(DELAY_MS, abs=0.1)
    assert DELAY_MS <= 2


@given(
    st.lists(st.integers(0, 400), max_size=12),
    st.sampled_from(HIGH_RATES_HZ),
    st.randoms(use_true_random=False),
)
def test_the_output_is_the_same_bit_for_bit_however_the_input_is_cut(
    cuts: list[int], rate_hz: int, random: Any
) -> None:
    pcm = np.array([random.randint(-32_768, 32_767) for _ in range(sum(cuts))], "<i2").tobytes()
    for converter in (Upsampler, Downsampler):
        whole = converter(rate_hz).convert(pcm)
        piecewise, at = converter(rate_hz), 0
        pieces = []
        for cut in cuts:
            pieces.append(piecewise.convert(pcm[at : at + 2 * cut]))
            at += 2 * cut
        assert b"".join(pieces) == whole


@pytest.mark.parametrize("rate_hz", HIGH_RATES_HZ)
def test_every_sample_makes_its_samples_at_once_and_full_scale_is_clipped_not_wrapped(rate_hz: int) -> None:
    square = np.repeat(np.array([32_767, -32_768] * 200, "<i2"), 8)
    up = Upsampler(rate_hz).convert(square.tobytes())
    assert len(up) == len(square) * 2 * rate_hz // 8000
    samples = np.frombuffer(up, "<i2")
    assert samples.max() == 32_767
    assert samples.min() == -32_768
    assert np.abs(np.diff(samples.astype(int))).max() < 60_000, "a wrapped sample would jump"


@pytest.mark.parametrize("rate_hz", [0, 8000, 11_025, 44_100])
def test_other_rates_are_refused(rate_hz: int) -> None:
    for converter in (Upsampler, Downsampler):
        with pytest.raises(AudioError, match=str(rate_hz)):
            converter(rate_hz)
