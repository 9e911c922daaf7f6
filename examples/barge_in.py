"""
Talks until it is interrupted: ten seconds of a tone in place of a voice, over as soon as the caller speaks.

bridge serve --sink examples/barge_in.py:barge_in
"""

from __future__ import annotations

from bridge import Call, SpeechStarted, sink
from bridge.audio.tone import tone


@sink("barge_in")
async def barge_in(call: Call, *, talk_ms: int = 10_000) -> None:
    """Start talking, and stop when the caller starts."""
    playback = await call.play(tone((440.0,), talk_ms, level_dbfs=-20.0))
    async for event in call.events():
        if isinstance(event, SpeechStarted):
            await call.clear()
            print(f"interrupted after {playback.played_ms} ms")
            return
