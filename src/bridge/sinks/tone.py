"""Plays test tones."""

from __future__ import annotations

from collections.abc import AsyncIterator

from bridge.audio.g711 import encode_ulaw
from bridge.audio.tone import tone as tone_pcm
from bridge.calls.call import Call
from bridge.sinks.sink import sink


@sink("tone")
async def tone(
    call: Call,
    *,
    frequencies_hz: tuple[float, ...] = (1000.0,),
    duration_ms: int = 1000,
    level_dbfs: float = -16.0,
    repeat: bool = True,
) -> None:
    """Play sines to the phone, added up; once, or over and over until the call ends."""
    payload = encode_ulaw(tone_pcm(frequencies_hz, duration_ms, level_dbfs=level_dbfs))
    playback = await call.play(_played(payload, repeat=repeat), encoding="mulaw")
    await playback.finished()


async def _played(payload: bytes, *, repeat: bool) -> AsyncIterator[bytes]:
    """As an iterator, so that the next tone joins the one before without a gap."""
    yield payload
    while repeat:
        yield payload
