"""A media socket on any ASGI server: messages to a callback, synchronous sends to a bounded queue."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from bridge.calls.socket import DirectSocket, Patience

log = logging.getLogger(__name__)

_SLOW_ABOVE_BYTES: Final = 64 * 1024
_MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""Playout holds back long before this; whoever gets here anyway would eat all memory."""


class MessageTaker(Protocol):
    """What takes a socket's messages, synchronously and in order; some may wait in its ``patience``."""

    @property
    def patience(self) -> Patience:
        """What the socket may keep back by itself, before it calls ``text``."""
        ...

    def text(self, data: str) -> None:
        """One text message; it may wait."""
        ...

    def read(self, data: str) -> None:
        """One text message that was found not to wait."""
        ...

    def binary(self, size_bytes: int) -> None:
        """A binary message arrived."""
        ...


class AsgiSocket:
    """
    ``calls.DirectSocket`` over ASGI's ``receive`` and ``send``.

    Works on any ASGI server; each message costs a queue and a task wake-up.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket: Final = websocket
        self._queue: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._is_open = True

    @property
    def unsent_bytes(self) -> int:
        return self._unsent_bytes

    @property
    def is_open(self) -> bool:
        return self._is_open

    def send(self, message: bytes) -> bool:
        if not self._is_open:
            return False
        self._queue.append(message)
        self._unsent_bytes += len(message)
        if self._unsent_bytes > _MAX_UNSENT_BYTES:
            self._queue.clear()
            self.close(1008, "not reading")
        self._wake.set()
        return self._unsent_bytes < _SLOW_ABOVE_BYTES

    def close(self, code: int, reason: str) -> None:
        if self._is_open:
            self._is_open = False
            self._closing = (code, reason)
            self._wake.set()

    async def carry(self, taker: MessageTaker) -> None:
        """Give every message to ``taker`` and send what is to be sent, until either side has closed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            await self._read(taker)

    async def _read(self, taker: MessageTaker) -> None:
        while self._is_open:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                break
            text = message.get("text")
            try:
                if text is not None:
                    taker.text(text)
                else:
                    taker.binary(len(message["bytes"]))
            except Exception:
                # A fault of ours in one message must end this socket alone.
                log.exception("taking a media message failed")
                self.close(1011, "internal error")
        self._is_open = False
        self._wake.set()

    async def _write(self) -> None:
        """Send what ``send`` was given, then the close it ended with."""
        try:
            while self._is_open or self._closing is not None:
                while self._queue:
                    message = self._queue.popleft()
                    await self._websocket.send_text(message.decode())
                    self._unsent_bytes -= len(message)
                if self._closing is not None:
                    code, reason = self._closing
                    self._closing = None
                    if self._websocket.application_state is WebSocketState.CONNECTED:
                        await self._websocket.close(code, reason)
                    break
                self._wake.clear()
                if self._is_open and not self._queue:
                    await self._wake.wait()
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._is_open = False  # the peer went away under the send: reading says how


class MediaSocket(DirectSocket, Protocol):
    """A socket whose messages come by callback."""

    async def carry(self, taker: MessageTaker) -> None:
        """Give every message to ``taker`` until either side has closed."""
        ...


def media_socket(websocket: WebSocket) -> MediaSocket:
    """The fastest socket this server offers for an accepted WebSocket."""
    take_over: Callable[[], MediaSocket] | None = websocket.scope.get("extensions", {}).get("bridge.direct")
    return AsgiSocket(websocket) if take_over is None else take_over()
