"""The server's half of an audio socket: one writer, which sends audio, notices, events and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.calls.call import AudioChunk
from bridge.calls.event_json import VERSION
from bridge.errors import BridgeError, CallReadOnly, InvalidField
from bridge.session.session import Session
from bridge.web.audio_query import AudioQuery

_CLOSE_WITHIN_S: Final = 1.0
_encode: Final = msgspec.json.Encoder().encode


class AudioWire:
    """
    Sends whole messages, whoever asks, one after the other.

    Nothing is queued here: whoever sends waits until the server has taken the message, and it takes none
    while the program at the other end does not read.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket: Final = websocket
        self._turn: Final = asyncio.Lock()
        self._is_gone = False

    async def tell(self, message: Mapping[str, object]) -> bool:
        """Send a JSON message; false once the peer is gone."""
        async with self._turn:
            return await self._send({"text": _encode(message).decode()})

    async def give(self, chunk: AudioChunk) -> bool:
        """Send a chunk, directly behind the notice of what it lacks; false once the peer is gone."""
        async with self._turn:
            if chunk.dropped_ms or chunk.filled_ms:
                await self._send({"text": _encode(notice(chunk)).decode()})
            return await self._send({"bytes": chunk.data})

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye; a peer that reads nothing is given up after a second."""
        try:
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._is_gone = True  # it left, or does not read: the server ends the connection

    async def _send(self, content: Mapping[str, str | bytes]) -> bool:
        if not self._is_gone:
            try:
                await self._websocket.send({"type": "websocket.send", **content})
            except (WebSocketDisconnect, OSError):
                self._is_gone = True  # receiving says how it went
        return not self._is_gone


def hello(session: Session, query: AudioQuery, start_ms: int) -> dict[str, object]:
    """Give the first message: what will come, and what may be sent."""
    return {
        "event": "hello",
        "version": VERSION,
        "call_sid": session.sid,
        "stream_sid": session.stream_sid,
        "track": query.track,
        "rate_hz": query.rate_hz,
        "encoding": query.encoding,
        "channels": query.channels,
        "chunk_ms": query.chunk_ms,
        "start_ms": start_ms,
        "play": {"rate_hz": query.spoken_rate_hz, "encoding": query.spoken_encoding},
    }


def notice(chunk: AudioChunk) -> dict[str, object]:
    """Tell what is missing before the next chunk, or was put into it."""
    return {
        "event": "notice",
        "start_ms": chunk.start_ms,
        "dropped_ms": chunk.dropped_ms,
        "filled_ms": chunk.filled_ms,
    }


def error(code: str, detail: str, **more: str) -> dict[str, object]:
    """Tell what went wrong with a message; the socket stays open."""
    return {"event": "error", "code": code, "detail": detail, **more}


def error_of(fault: BridgeError) -> dict[str, object]:
    """Say one of our own errors so."""
    if isinstance(fault, InvalidField):
        return error("bad_command", fault.fault, field=fault.field, hint=fault.fix)
    return error("call_read_only" if isinstance(fault, CallReadOnly) else "call_ended", str(fault))
