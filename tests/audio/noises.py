"""What a telephone line sounds like while nobody speaks: the same at each run, as μ-law."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bridge.audio.g711 import SAMPLE_RATE_HZ, encode_ulaw

Signal = NDArray[np.floating[Any]]
Random = np.random.Generator


def at_dbfs(signal: Signal, level_dbfs: float) -> Signal:
    """Bring to an RMS level."""
    scaled: Signal = signal * (32768 * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(signal**2)))
    return scaled


def to_ulaw(signal: Signal) -> bytes:
    return encode_ulaw(np.clip(np.rint(signal), -32768, 32767).astype("<i2").tobytes())


def white(samples: int, random: Random) -> Signal:
    return random.standard_normal(samples)


def _shaped(samples: int, random: Random, gain: Callable[[Signal], Signal]) -> Signal:
    spectrum = np.fft.rfft(random.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    return np.fft.irfft(spectrum * gain(hz), samples)


def pink(samples: int, random: Random) -> Signal:
    return _shaped(samples, random, lambda hz: np.where(hz < 20, 0, 1 / np.sqrt(np.maximum(hz, 20))))


def _syllables(samples: int, random: Random) -> Signal:
    """A slow random curve: mean 0, deviation 1, nothing above 4 Hz."""
    points = samples // 100 + 2
    spectrum = np.fft.rfft(random.standard_normal(points))
    spectrum[np.fft.rfftfreq(points, 1 / 80) > 4] = 0
    curve = np.fft.irfft(spectrum, points)
    stretched: Signal = np.interp(np.arange(samples) / 100, np.arange(points), curve / curve.std())
    return stretched


def modulated(samples: int, random: Random) -> Signal:
    """White noise that wavers by 3 dB as syllables do."""
    wavering: Signal = white(samples, random) * 10 ** (3 * _syllables(samples, random) / 20)
    return wavering


def babble(samples: int, random: Random) -> Signal:
    """Eight talkers in another corner of the room, as noise of the spectrum and rhythm of speech."""
    talkers = np.zeros(samples)
    for _ in range(8):
        voice = _shaped(samples, random, lambda hz: (hz > 150) / np.sqrt(1 + (hz / 500) ** 2))
        talkers += voice * np.maximum(0, _syllables(samples, random) + 0.5)
    return talkers


def hum(samples: int, mains_hz: int) -> Signal:
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    return sum(
        (np.sin(2 * np.pi * mains_hz * n * time_s + n) / n for n in (1, 2, 3, 5, 7)), np.zeros(samples)
    )


def comfort(samples: int, random: Random) -> Signal:
    """Comfort noise that comes and goes every two seconds, digital silence between."""
    is_on = np.arange(samples) // (2 * SAMPLE_RATE_HZ) % 2 == 0
    return np.where(is_on, at_dbfs(white(samples, random), -53), 0.0)


def clicks(samples: int, random: Random) -> Signal:
    """One click a second at random, up to 5 ms long and up to 0 dBFS, over noise at -50 dBFS."""
    line = at_dbfs(white(samples, random), -50)
    for at in random.integers(0, samples - 40, samples // SAMPLE_RATE_HZ):
        length = int(random.integers(1, 40))
        line[at : at + length] += random.uniform(-32000, 32000) * np.exp(-np.arange(length) / 10)
    return line


def steps(samples: int, random: Random) -> Signal:
    """Noise that is 15 dB louder in every second minute: a window, a fan."""
    is_loud = np.arange(samples) // (60 * SAMPLE_RATE_HZ) % 2 == 1
    return at_dbfs(white(samples, random), -50) * np.where(is_loud, 10 ** (15 / 20), 1.0)


def swelling(samples: int, random: Random) -> Signal:
    """Noise that goes up and down by 20 dB every 20 seconds: a road."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    return at_dbfs(white(samples, random), -40) * 10 ** (10 * np.sin(2 * np.pi * time_s / 20) / 20)


KINDS: Final[Mapping[str, Callable[[int, Random], Signal]]] = {
    "white": lambda samples, random: at_dbfs(white(samples, random), -45),
    "loud white": lambda samples, random: at_dbfs(white(samples, random), -30),
    "quantisation": lambda samples, random: at_dbfs(white(samples, random), -78),
    "pink": lambda samples, random: at_dbfs(pink(samples, random), -40),
    "modulated": lambda samples, random: at_dbfs(modulated(samples, random), -40),
    "babble": lambda samples, random: at_dbfs(babble(samples, random), -40),
    "hum 50": lambda samples, _: at_dbfs(hum(samples, 50), -35),
    "hum 60": lambda samples, _: at_dbfs(hum(samples, 60), -35),
    "comfort": comfort,
    "clicks": clicks,
    "steps": steps,
    "swelling": swelling,
    "silence": lambda samples, _: np.zeros(samples),
}
