"""Takes a call's audio and does nothing with it: to measure, and to keep a call open."""

from __future__ import annotations

from bridge.calls.call import Call
from bridge.sinks.sink import sink


@sink("null")
async def null(call: Call, *, chunk_ms: int = 1400) -> None:
    """Listen and discard."""
    async for _ in call.listen(chunk_ms=chunk_ms, encoding="mulaw"):
        pass
