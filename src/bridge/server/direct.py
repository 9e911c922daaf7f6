"""The fast path: an application's callbacks, and its synchronous way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from bridge.server.frames import Frames
from bridge.server.message_queue import MessageQueue

_MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""Playout holds back long before this; whoever gets here anyway would eat all memory."""


class Direct:
    """
    What ``bridge.direct`` gives: ``calls.DirectSocket``, and the messages by callback.

    Attributes:
        taker: Gets ``text(str)`` and ``binary(size_bytes)`` for each message, synchronously; ``None``
            until ``carry``.

    """

    def __init__(self, frames: Frames, messages: MessageQueue, close: Callable[[int, str], None]) -> None:
        self.taker: Any = None
        self._frames = frames
        self._messages = messages
        self._close = close
        self._over = asyncio.Event()

    @property
    def unsent_bytes(self) -> int:
        return self._frames.unsent_bytes

    @property
    def is_open(self) -> bool:
        return self._frames.is_open

    def send(self, message: bytes) -> None:
        if self._frames.unsent_bytes > _MAX_UNSENT_BYTES:
            self._frames.fail(1008, "not reading")
        self._frames.send(message, text=True)

    def close(self, code: int, reason: str) -> None:
        self._close(code, reason)

    def closed(self) -> None:
        """The connection is over."""
        self._over.set()

    async def carry(self, taker: Any) -> None:
        """Give every message to ``taker``, those since the accept first, until the connection is over."""
        for message in self._messages.drain():
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is not None:
                taker.text(message["text"])
            else:
                taker.binary(len(message["bytes"]))
        self.taker = taker
        await self._over.wait()
