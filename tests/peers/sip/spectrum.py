"""What is in a WAV file: the strongest frequency of each quarter second, its share, and the level."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW_S: Final = 0.25
"""Gives a resolution of 4 Hz."""

SILENT_DBFS: Final = -60.0
_NEIGHBOURS: Final = 3
"""How many bins to each side of a peak the window's own shape fills."""


@dataclass(frozen=True, slots=True)
class Sound:
    """
    One quarter of a second.

    Attributes:
        hz: The strongest frequency.
        purity: Its share of the whole energy, 0 to 1.
        dbfs: RMS level, relative to a full-scale square wave.

    """

    hz: float
    purity: float
    dbfs: float

    def is_tone(self, hz: float) -> bool:
        """Whether this is that tone and hardly anything else."""
        return self.dbfs > SILENT_DBFS and abs(self.hz - hz) <= 1 / WINDOW_S and self.purity > 0.9


def read(path: Path, channel: int = 0) -> tuple[NDArray[np.float64], int]:
    """Read one channel of a PCM16 file: its samples, -1 to 1, and its sampling rate in Hz."""
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples.reshape(-1, file.getnchannels())[:, channel] / 32_768, file.getframerate()


def sounds(path: Path, channel: int = 0) -> list[Sound]:
    """Judge a file, quarter second by quarter second; a shorter rest is left out."""
    samples, rate_hz = read(path, channel)
    count = int(rate_hz * WINDOW_S)
    whole = len(samples) // count
    return [_judge(part, rate_hz) for part in samples[: whole * count].reshape(whole, count)]


def _judge(samples: NDArray[np.float64], rate_hz: int) -> Sound:
    level = float(np.sqrt(np.mean(samples**2)))
    if not level:
        return Sound(0.0, 0.0, -120.0)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    energy: NDArray[np.float64] = np.asarray(spectrum**2, dtype=np.float64)
    peak = int(np.argmax(energy))
    near = energy[max(0, peak - _NEIGHBOURS) : peak + _NEIGHBOURS + 1].sum()
    return Sound(peak * rate_hz / len(samples), float(near / energy.sum()), float(20 * np.log10(level)))


def tone_s(path: Path, hz: float, channel: int = 0) -> float:
    """Say for how many seconds this tone is heard."""
    return WINDOW_S * sum(sound.is_tone(hz) for sound in sounds(path, channel))


def tone_dbfs(path: Path, hz: float, channel: int = 0) -> float:
    """Give the tone's usual level: the median of where it is heard."""
    levels = [sound.dbfs for sound in sounds(path, channel) if sound.is_tone(hz)]
    assert levels, f"{hz} Hz is nowhere in {path}: {sounds(path, channel)}"
    return float(np.median(levels))


def silent_s(path: Path, channel: int = 0) -> float:
    """Say for how many seconds there is nothing to hear."""
    return WINDOW_S * sum(sound.dbfs <= SILENT_DBFS for sound in sounds(path, channel))
