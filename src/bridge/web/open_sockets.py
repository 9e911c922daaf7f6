"""The programs' sockets that are open, so that a server which stops can wait for their last words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

log = logging.getLogger(__name__)


class OpenSockets:
    """Counts them."""

    def __init__(self) -> None:
        self._count = 0
        self._none: Final = asyncio.Event()
        self._none.set()

    def __len__(self) -> int:
        return self._count

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a socket while the block runs."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def closed(self, timeout_s: float) -> None:
        """Return once all are closed, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._none.wait()
        except TimeoutError:
            log.warning("%d programs did not take their leave within %g s", self._count, timeout_s)
