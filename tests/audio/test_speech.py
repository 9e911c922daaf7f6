"""Speech against all that is none: how soon, how often wrongly, and that it ends."""

from __future__ import annotations

import wave
from importlib.resources import files

import numpy as np
import pytest

from bridge.audio.g711 import encode_ulaw, ulaw_silence
from bridge.audio.speech import EnergyDetector, SpeechDetector
from bridge.audio.tone import dtmf, tone
from tests.audio.noises import KINDS, Random, Signal, at_dbfs, babble, modulated, pink, to_ulaw, white

RATE_HZ = 8000
TALK_DBFS = -20.0
"""Of the sample while it speaks."""


def random_of(seed: int) -> Random:
    return np.random.default_rng(seed)


def sample() -> Signal:
    with wave.open(str(files("bridge") / "samples" / "demo.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)


def levels_dbfs(signal: Signal) -> Signal:
    steps = signal[: len(signal) // 80 * 80].reshape(-1, 80)
    levels: Signal = 20 * np.log10(np.maximum(1, np.sqrt(np.mean(steps**2, axis=1))) / 32768)
    return levels


def onsets() -> list[int]:
    """The sample's own onsets in samples: within 10 dB of its level after 30 ms more than 15 dB below it."""
    levels = levels_dbfs(sample())
    return [
        80 * step
        for step in range(3, len(levels) - 10)
        if levels[step] > TALK_DBFS - 10 and (levels[step - 3 : step] < TALK_DBFS - 15).all()
    ]


def listen(
    ulaw: bytes, detector: SpeechDetector | None = None, frame_bytes: int = 160
) -> list[tuple[float, bool, int]]:
    """Feed frame by frame; when each change was reported in ms, what it was, and ``spoken_ms`` then."""
    detector = detector or EnergyDetector()
    heard = []
    for at in range(0, len(ulaw), frame_bytes):
        change = detector.feed(ulaw[at : at + frame_bytes])
        if change is not None:
            heard.append(((at + frame_bytes) / 8, change, detector.spoken_ms))
    return heard


def latencies_ms(noise: Signal, speech: Signal, lead: int, phases: range) -> list[float]:
    """From onset to report, the frame in which it is completed included, for onsets at these phases."""
    measured = []
    for phase in phases:
        line = noise.copy()
        onset = 3 * RATE_HZ + phase
        line[onset - lead : onset - lead + len(speech)] += speech
        reports = listen(to_ulaw(line))
        assert reports, "it was heard at all"
        assert reports[0][1] is True
        measured.append(reports[0][0] - onset / 8)
    return measured


@pytest.mark.parametrize("make_noise", [white, pink])
def test_speech_20_db_above_the_noise_is_reported_within_60_ms_at_every_phase_of_the_frame(
    make_noise: type,
) -> None:
    noise = at_dbfs(make_noise(4 * RATE_HZ, random_of(1)), TALK_DBFS - 20)
    starts = onsets()
    assert len(starts) >= 4
    measured = []
    for start in starts:
        speech = sample()[start - 240 : start + 4000]
        measured += latencies_ms(noise, speech, 240, range(0, 160, 5))
    assert max(measured) <= 60
    assert min(measured) > -30, "nothing was heard before there was something to hear"
    assert np.median(measured) <= 40


@pytest.mark.parametrize("make_noise", [white, pink, modulated, babble])
def test_a_voice_that_sets_in_at_once_is_reported_within_50_ms_in_any_noise(make_noise: type) -> None:
    noise = at_dbfs(make_noise(4 * RATE_HZ, random_of(2)), TALK_DBFS - 20)
    time_s = np.arange(4000) / RATE_HZ
    for pitch_hz in (90, 140, 210):
        harmonics = range(1, 3400 // pitch_hz)
        voice = sum(
            (np.sin(2 * np.pi * pitch_hz * n * time_s) / (1 + (n * pitch_hz / 700) ** 2) for n in harmonics),
            np.zeros(4000),
        )
        assert max(latencies_ms(noise, at_dbfs(voice, TALK_DBFS), 0, range(0, 160, 8))) <= 50


@pytest.mark.parametrize("kind", KINDS)
def test_ten_minutes_of_noise_start_nothing_more_than_once_a_minute_and_nothing_that_lasts(kind: str) -> None:
    minutes = 10
    heard = listen(to_ulaw(KINDS[kind](minutes * 60 * RATE_HZ, random_of(3))))
    starts = [at_ms for at_ms, begins, _ in heard if begins]
    stops = [at_ms for at_ms, begins, _ in heard if not begins]
    assert len(starts) <= minutes
    assert len(starts) == len(stops), "every false start has ended"
    assert all(stop - start < 4000 for start, stop in zip(starts, stops, strict=True))
    if kind not in {"loud white", "modulated", "babble", "clicks", "steps"}:
        assert not starts


@pytest.mark.parametrize(("above_db", "within_ms"), [(20, 120), (10, 160)])
@pytest.mark.parametrize("make_noise", [white, pink])
def test_a_talker_is_heard_from_beginning_to_end_in_noise(
    make_noise: type, above_db: int, within_ms: int
) -> None:
    spoken = sample()
    line = at_dbfs(make_noise(20 * RATE_HZ, random_of(4)), TALK_DBFS - above_db)
    for at_s in (6, 13):
        line[at_s * RATE_HZ : at_s * RATE_HZ + len(spoken)] += spoken
    heard = [report for report in listen(to_ulaw(line)) if report[0] > 6000]
    first, second = heard[0], next(report for report in heard if report[0] > 13_000)
    for report, begins_ms in ((first, 6000), (second, 13_000)):
        assert report[1] is True
        # The sample's first 50 ms lie 20 dB and more below its level.
        assert 0 < report[0] - begins_ms <= within_ms
    last_ms, begins, spoken_ms = heard[-1]
    assert begins is False
    assert 13_000 + 3900 + 400 < last_ms < 13_000 + 3900 + 700
    if above_db == 20:
        assert [begins for _, begins, _ in heard] == [True, False, True, False]
        assert 3700 < spoken_ms < 4000
        assert heard[1][2] == pytest.approx(spoken_ms, abs=150)


def test_a_call_that_begins_with_speech_is_heard_at_once_out_of_digital_silence() -> None:
    heard = listen(ulaw_silence(160) + to_ulaw(sample()) + ulaw_silence(8000))
    (start_ms, begins, _), (stop_ms, ends, spoken_ms) = heard
    assert (begins, ends) == (True, False)
    assert start_ms <= 100
    assert spoken_ms == pytest.approx(3950, abs=50)
    assert stop_ms == pytest.approx(20 + 3950 + 500, abs=40)


def test_steady_tones_and_digits_count_as_speech_for_a_bounded_time_and_speech_is_heard_after_them() -> None:
    for ulaw in (
        encode_ulaw(tone((440,), 20_000)),
        encode_ulaw(tone((350, 440), 20_000)),
        encode_ulaw(dtmf("5", duration_ms=20_000)),
    ):
        heard = listen(ulaw_silence(8000) + ulaw + ulaw_silence(16_000) + to_ulaw(sample()))
        assert [begins for _, begins, _ in heard[:3]] == [True, False, True]
        assert heard[1][0] - heard[0][0] < 2000
        assert 23_000 < heard[2][0] < 23_100
    digits = b"".join(encode_ulaw(dtmf(digit)) + ulaw_silence(800) for digit in "12345")
    (start_ms, _, _), (stop_ms, _, _) = listen(ulaw_silence(8000) + digits + ulaw_silence(8000))
    assert stop_ms - start_ms < 1000 + 500


def test_noise_that_becomes_louder_while_somebody_speaks_does_not_go_on_as_speech() -> None:
    spoken = sample()
    line = at_dbfs(white(20 * RATE_HZ, random_of(5)), -50)
    line[6 * RATE_HZ :] *= 10 ** (15 / 20)
    line[4 * RATE_HZ : 4 * RATE_HZ + len(spoken)] += spoken
    heard = listen(to_ulaw(line))
    assert heard[-1][1] is False
    assert heard[-1][0] < 8400 + 5000
    assert len(heard) <= 4


def test_nothing_goes_on_for_ever_not_even_music() -> None:
    beat = np.concatenate([np.ones(2000), np.zeros(800)])
    line = at_dbfs(white(84_000 * 10, random_of(6)), -20) * np.tile(beat, 300)
    heard = listen(ulaw_silence(8000) + to_ulaw(line))
    assert [begins for _, begins, _ in heard[:2]] == [True, False]
    assert heard[1][0] - heard[0][0] <= 61_000


def test_silence_put_in_for_lost_frames_neither_starts_anything_nor_spoils_what_was_learned() -> None:
    noise = bytearray(to_ulaw(at_dbfs(white(60 * RATE_HZ, random_of(7)), -40)))
    for at_s in range(5, 60, 5):
        lost = 160 * at_s
        noise[at_s * RATE_HZ : at_s * RATE_HZ + lost] = ulaw_silence(lost)
        assert lost <= RATE_HZ * 1.2
    assert listen(bytes(noise)[: 35 * RATE_HZ]) == []


@pytest.mark.parametrize("frame_bytes", [1, 80, 161, 480, 1000])
def test_the_length_of_the_frames_changes_nothing_but_when_it_is_told(frame_bytes: int) -> None:
    line = at_dbfs(white(12 * RATE_HZ, random_of(8)), -45)
    spoken = sample()
    line[3 * RATE_HZ : 3 * RATE_HZ + len(spoken)] += spoken
    ulaw = to_ulaw(line)
    expected = listen(ulaw, frame_bytes=80)
    heard = listen(ulaw, frame_bytes=frame_bytes)
    assert [begins for _, begins, _ in heard] == [begins for _, begins, _ in expected] == [True, False]
    assert heard[1][2] == expected[1][2]
    for (at_ms, _, _), (exact_ms, _, _) in zip(heard, expected, strict=True):
        assert 0 <= at_ms - exact_ms < frame_bytes / 8


def test_what_begins_and_ends_within_one_payload_is_no_change_and_an_empty_payload_is_nothing() -> None:
    detector = EnergyDetector()
    assert detector.feed(b"") is None
    assert detector.feed(ulaw_silence(8000) + to_ulaw(sample()) + ulaw_silence(80_000)) is None
    assert detector.spoken_ms == pytest.approx(3950, abs=50), "and yet it was heard"
