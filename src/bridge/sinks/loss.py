"""Audio that did not reach where it was to go: counted in the call's record, and said in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

from bridge.calls.call import AudioChunk, Call

log = logging.getLogger(__name__)


class Loss:
    """
    What one sink of one call has lost on the way to one destination.

    Args:
        call: Its record is told.
        destination: As it stands in the record, e.g. ``http https://example.com``.

    Attributes:
        lost_ms: All of it so far.

    """

    def __init__(self, call: Call, destination: str) -> None:
        self.destination: Final = destination
        self.lost_ms = 0
        self._call: Final = call
        self._in_a_row = False

    def add(self, lost_ms: float, why: str) -> None:
        """Count it; of a row of losses only the first is logged, :meth:`arrived` ends the row."""
        whole_ms = round(lost_ms)
        if whole_ms <= 0:
            return
        self.lost_ms += whole_ms
        self._call.add_loss(self.destination, whole_ms)
        if not self._in_a_row:
            log.warning("%s: audio is lost: %s", self.destination, why)
        self._in_a_row = True

    def arrived(self) -> None:
        """Audio has reached the destination."""
        if self._in_a_row:
            log.info("%s takes audio again; %d ms are lost so far", self.destination, self.lost_ms)
        self._in_a_row = False

    async def add_rest(self, chunks: AsyncIterator[AudioChunk], why: str) -> None:
        """
        Count what waits in a listener that nobody will read any more.

        Never waits for more audio, so it can be called while a task is being cancelled.
        """
        rest_ms = 0.0
        try:
            async with asyncio.timeout(0):
                async for chunk in chunks:
                    rest_ms += chunk.dropped_ms + chunk.duration_ms
        except TimeoutError:
            pass
        self.add(rest_ms, why)
