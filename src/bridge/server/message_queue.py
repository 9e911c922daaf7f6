"""Messages on their way to an application that calls ``receive``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final

HIGH_WATER_BYTES: Final = 64 * 1024
"""Above this the socket is not read any more, until the application has taken half of it."""


class MessageQueue:
    """
    A queue of ASGI events.

    Bound: ``HIGH_WATER_BYTES`` and one message; policy: reading is paused, so the peer waits in TCP.
    """

    def __init__(self) -> None:
        self._messages: deque[tuple[dict[str, Any], int]] = deque()
        self._size_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._last: dict[str, Any] | None = None

    def bind(self, transport: asyncio.Transport) -> None:
        """From now on this transport is paused when too much waits."""
        self._transport = transport

    def put(self, message: dict[str, Any], size_bytes: int = 0) -> None:
        """Append an event."""
        self._messages.append((message, size_bytes))
        self._size_bytes += size_bytes + 64  # empty messages take memory too
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._size_bytes > HIGH_WATER_BYTES and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    async def get(self) -> dict[str, Any]:
        """ASGI's ``receive``; after the disconnect it says so again and again."""
        while not self._messages:
            if self._last is not None:
                return self._last
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message, size_bytes = self._messages.popleft()
        self._size_bytes -= size_bytes + 64
        if self._paused and self._size_bytes < HIGH_WATER_BYTES // 2:
            self.resume()
        if message["type"] == "websocket.disconnect":
            self._last = message
        return message

    def drain(self) -> list[dict[str, Any]]:
        """Take everything at once, and read on."""
        messages = [message for message, _ in self._messages]
        self._messages.clear()
        self._size_bytes = 0
        self.resume()
        return messages

    def resume(self) -> None:
        """Read again, e.g. to see the answer to our close."""
        if self._paused and self._transport is not None:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
