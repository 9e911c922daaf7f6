"""
A sink of your own: how loud is the caller?

bridge up --sink examples/loudness.py:loudness
"""

from __future__ import annotations

from bridge import Call, sink


@sink("loudness")
async def loudness(call: Call, *, window_ms: int = 1000) -> None:
    """Print the caller's level once per window."""
    async for chunk in call.listen(chunk_ms=window_ms):
        print(f"{call.sid} {chunk.start_ms / 1000:6.1f} s {chunk.level_dbfs:6.1f} dBFS", flush=True)
