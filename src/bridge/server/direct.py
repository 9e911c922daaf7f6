"""The fast path: an application's callbacks, and its synchronous way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from bridge.server.frames import Frames
from bridge.server.message_queue import MessageQueue


class Direct:
    """
    What ``bridge.direct`` gives: ``calls.DirectSocket``, and the messages by callback.

    Attributes:
        taker: Gets ``read(str)`` or ``binary(size_bytes)`` for each message, synchronously, except those that
            its ``patience`` keeps; ``None`` until ``carry``.
        send: Sends one text message; nothing happens on a closed socket.

    """

    def __init__(self, frames: Frames, messages: MessageQueue, close: Callable[[int, str], None]) -> None:
        self.taker: Any = None
        self._frames = frames
        self.send: Final = frames.send_text
        self._messages = messages
        self._close = close
        self._over = asyncio.Event()

    @property
    def unsent_bytes(self) -> int:
        return self._frames.unsent_bytes

    @property
    def is_open(self) -> bool:
        return self._frames.is_open

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
        self._frames.on_text, self._frames.patience = taker.read, taker.patience
        await self._over.wait()
