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
    from_start = True  # the first frames may be here before this sink has begun
    while True:
        # μ-law in, μ-law out: nothing is decoded.
        chunks = call.listen(encoding="mulaw", from_start=from_start)
        await (await call.play(chunks, max_queue_ms=max_queue_ms)).finished()
        from_start = False
