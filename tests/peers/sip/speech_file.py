"""What peers say: a steady tone, as a WAV file or as the raw μ-law that sipp plays."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Final

from bridge.audio.g711 import SAMPLE_RATE_HZ, encode_ulaw
from bridge.audio.tone import tone

LEVEL_DBFS: Final = -16.0
_LENGTH_MS: Final = 20_000


def tone_wav(folder: Path, hz: float) -> Path:
    """Write 20 s of a tone at ``LEVEL_DBFS``: 8 kHz, mono, PCM16."""
    path = folder / f"tone-{hz:.0f}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(tone([hz], _LENGTH_MS, level_dbfs=LEVEL_DBFS))
    return path


def tone_ulaw(folder: Path, hz: float) -> Path:
    """Write the same as bare μ-law."""
    path = folder / f"tone-{hz:.0f}.ulaw"
    path.write_bytes(encode_ulaw(tone([hz], _LENGTH_MS, level_dbfs=LEVEL_DBFS)))
    return path
