"""Plays the caller back."""

from __future__ import annotations

from bridge.calls.call import Call
from bridge.sinks.sink import sink


@sink("echo")
async def echo(call: Call, *, max_queue_ms: int = 400) -> None:
    """
    Play the phone back to itself, frame by frame, as it comes.

    ``max_queue_ms`` bounds how far the echo may lag: beyond it the oldest is dropped. Ends with the call;
    somebody else's ``clear`` cuts what was on its way and the echo goes on.
    """
    while True:
        # μ-law in, μ-law out: nothing is decoded.
        playback = await call.play(call.listen(encoding="mulaw"), max_queue_ms=max_queue_ms)
        await playback.finished()
