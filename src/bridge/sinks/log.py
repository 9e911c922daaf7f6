"""Says how loud a call is."""

from __future__ import annotations

import logging

from bridge.audio.level import level_dbfs
from bridge.calls.call import Call
from bridge.sinks.sink import sink

log = logging.getLogger(__name__)


@sink("log")
async def log_levels(call: Call, *, window_ms: int = 1000) -> None:
    """Log both sides' level once per window."""
    async for chunk in call.listen("both", chunk_ms=window_ms):
        left, right = chunk.samples[:, 0], chunk.samples[:, 1]
        log.info(
            "level at %.1f s: phone %.1f dBFS, us %.1f dBFS%s",
            chunk.start_ms / 1000,
            level_dbfs(left.tobytes()),
            level_dbfs(right.tobytes()),
            f", {chunk.dropped_ms} ms dropped" if chunk.dropped_ms else "",
        )
