from __future__ import annotations

import numpy as np
import pytest

from bridge.audio.g711 import decode_ulaw, encode_ulaw, ulaw_silence
from bridge.carrier.phone import speech
from bridge.carrier.simulation.echo import MAX_HEARD_BYTES, EchoEar, Markers

SPOKEN = speech.demo()[: len(speech.demo()) // 160 * 160]
FRAMES = len(SPOKEN) // 160


def echo_after(delay_bytes: int, heard: bytes = SPOKEN) -> tuple[list[int], bytes]:
    """What a phone says frame by frame, and hears so much later."""
    return [frame * 160 for frame in range(FRAMES)], ulaw_silence(delay_bytes) + heard


@pytest.mark.parametrize("delay_bytes", [0, 160, 333, 8000])
def test_an_exact_echo_is_measured_to_the_sample(delay_bytes: int) -> None:
    echo = Markers(SPOKEN).find(*echo_after(delay_bytes))
    assert echo.exact
    assert set(echo.round_trips_ms) == {delay_bytes / 8}
    assert len(echo.round_trips_ms) >= 5
    assert (echo.lost, echo.gaps, echo.gap_ms) == (0, 0, 0)


def test_an_echo_coded_anew_is_still_exact() -> None:
    coded = encode_ulaw(decode_ulaw(SPOKEN))
    assert coded != SPOKEN or b"\x7f" not in SPOKEN
    echo = Markers(SPOKEN).find(*echo_after(160, coded))
    assert echo.exact
    assert echo.lost == 0


def test_silence_inside_the_echo_is_a_gap() -> None:
    middle = FRAMES // 2 * 160
    stretched = SPOKEN[:middle] + ulaw_silence(480) + SPOKEN[middle:]
    echo = Markers(SPOKEN).find(*echo_after(160, stretched))
    assert (echo.gaps, echo.gap_ms) == (1, 60.0)
    assert set(echo.round_trips_ms) == {20.0, 80.0}


def test_what_is_missing_is_counted() -> None:
    half = SPOKEN[: len(SPOKEN) // 2]
    echo = Markers(SPOKEN).find(*echo_after(160, half))
    assert echo.lost > 0
    assert echo.round_trips_ms


def test_a_changed_echo_is_measured_by_its_first_sound() -> None:
    samples = np.frombuffer(decode_ulaw(SPOKEN), "<i2")
    quieter = encode_ulaw((samples // 2).astype("<i2").tobytes())
    echo = Markers(SPOKEN).find(*echo_after(800, quieter))
    assert not echo.exact
    [trip_ms] = echo.round_trips_ms
    assert trip_ms == pytest.approx(100, abs=60)


def test_silence_is_no_echo() -> None:
    echo = Markers(SPOKEN).find(*echo_after(0, ulaw_silence(len(SPOKEN))))
    assert echo.round_trips_ms == ()
    assert Markers(ulaw_silence(16_000)).find([0], ulaw_silence(160)).round_trips_ms == ()


def test_an_ear_forgets_what_it_has_told_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    ear = EchoEar()
    for frame in range(FRAMES):
        ear.said()
        ear.heard(SPOKEN[frame * 160 : frame * 160 + 160])
    assert set(ear.echo(Markers(SPOKEN)).round_trips_ms) == {0.0}
    assert ear.echo(Markers(SPOKEN)).round_trips_ms == ()
    monkeypatch.setattr("bridge.carrier.simulation.echo.MAX_HEARD_BYTES", 1600)
    for _ in range(100):
        ear.said()
        ear.heard(b"\xff" * 160)
    assert len(ear._heard) == 1600
    assert len(ear._said_at) == 10
    assert MAX_HEARD_BYTES == 4_800_000
