"""Sinks that behave badly, to see that nobody else notices."""

from __future__ import annotations

import asyncio

from bridge import Call, sink


@sink("sleeps_for_ever")
async def sleeps_for_ever(call: Call) -> None:
    """Listen, and never read."""
    _unread = call.listen(encoding="mulaw", chunk_ms=100)
    await asyncio.Event().wait()


@sink("raises_every_second")
async def raises_every_second(call: Call) -> None:
    """Fail once a second, as a sink with ``restart`` does that cannot reach what it needs."""
    while True:
        try:
            async for _ in call.listen(encoding="mulaw", chunk_ms=1000):
                raise ConnectionError("nobody there")
            return
        except ConnectionError:
            continue
