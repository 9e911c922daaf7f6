"""Servers that break the rules: raw TCP, with a correct upgrade where one is wanted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[int]:
    """Run ``script`` for every connection; gives the port on 127.0.0.1."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(run, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The whole upgrade request."""
    return await reader.readuntil(b"\r\n\r\n")


def accept(request: bytes, *extra: str) -> bytes:
    """The 101 answer to a request, with more header lines if wanted."""
    headers = dict(
        line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if b": " in line
    )  # names as picows writes them
    digest = hashlib.sha1(headers[b"Sec-WebSocket-Key"] + _GUID).digest()  # noqa: S324  (RFC 6455)
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        *extra,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """One unmasked frame (RFC 6455 section 5.2)."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    if len(payload) < 126:
        return bytes([first, len(payload)]) + payload
    if len(payload) < 65_536:
        return bytes([first, 126]) + len(payload).to_bytes(2, "big") + payload
    return bytes([first, 127]) + len(payload).to_bytes(8, "big") + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The client's next frame, unmasked: its opcode and payload."""
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a client must mask"
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(size)
    return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
