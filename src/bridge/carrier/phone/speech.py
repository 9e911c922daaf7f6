"""What the verbs ``Say`` and ``Play`` put on the line: μ-law at 8 kHz, whole."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from bridge.audio.g711 import encode_ulaw, ulaw_silence
from bridge.audio.tone import dtmf, tone
from bridge.carrier.phone.wav_source import ulaw_from_wav
from bridge.errors import AudioError

_SAY_HZ: Final = 660.0
_SAY_MS: Final = 400
_DIGIT_GAP_BYTES: Final = 100 * 8
_WAITS_BYTES: Final = {"w": 4000, "W": 8000}
"""Twilio: ``w`` waits half a second, ``W`` a whole one."""


def say(text: str) -> bytes:
    """What is heard where there is no voice: one tone of 0.4 s, however long the text; none for no text."""
    return _say_tone() if text.strip() else b""


@cache
def _say_tone() -> bytes:
    return encode_ulaw(tone([_SAY_HZ], _SAY_MS, level_dbfs=-20))


def digits(text: str) -> bytes:
    """
    Dual tones for ``<Play digits>`` and ``SendDigits``: each digit 100 ms, followed by 100 ms of silence.

    Args:
        text: ``0``-``9``, ``*``, ``#``, ``A``-``D``; ``w`` waits 0.5 s, ``W`` 1 s.

    Returns:
        μ-law at 8 kHz.

    Raises:
        AudioError: another character.

    """
    parts = []
    for character in text:
        if character in _WAITS_BYTES:
            parts.append(ulaw_silence(_WAITS_BYTES[character]))
        else:
            parts += [encode_ulaw(dtmf(character)), ulaw_silence(_DIGIT_GAP_BYTES)]
    return b"".join(parts)


def load_wav(source: bytes | Path) -> bytes:
    """
    Read a WAV file, by content or by path, as μ-law at 8 kHz; formats as ``ulaw_from_wav``.

    Decoding an hour at 44.1 kHz takes seconds: call it from a thread where a loop runs.

    Raises:
        AudioError: it cannot be read, or is not a WAV file of a known format.

    """
    if isinstance(source, bytes):
        return ulaw_from_wav(source)
    try:
        data = source.read_bytes()
    except OSError as error:
        raise AudioError(f"{source}: {error.strerror}") from error
    try:
        return ulaw_from_wav(data)
    except AudioError as error:
        raise AudioError(f"{source}: {error}") from error


@cache
def demo() -> bytes:
    """The spoken sample that ships with the package, about four seconds, as μ-law at 8 kHz."""
    return ulaw_from_wav(files("bridge").joinpath("samples", "demo.wav").read_bytes())
