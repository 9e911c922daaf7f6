"""Levels of signals whose level is known by arithmetic."""

import math

import numpy as np
import pytest

from bridge.audio.level import SILENCE_DBFS, level_dbfs


def test_a_full_scale_sine_is_3_db_below_a_square_wave() -> None:
    sine = (32767 * np.sin(2 * math.pi * 1000 * np.arange(8000) / 8000)).astype("<i2")
    assert level_dbfs(sine.tobytes()) == pytest.approx(-3.01, abs=0.02)


def test_a_tenth_of_the_amplitude_is_20_db_less() -> None:
    square = np.full(8000, 3277, "<i2")
    assert level_dbfs(square.tobytes()) == pytest.approx(-20.0, abs=0.02)


@pytest.mark.parametrize("pcm", [b"", bytes(320)])
def test_nothing_is_silence(pcm: bytes) -> None:
    assert level_dbfs(pcm) == SILENCE_DBFS
