"""A WebSocket client that sends any bytes at all, and reads frames one by one."""

from __future__ import annotations

import asyncio
import struct
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha1
from typing import ClassVar, Self

KEY = b64encode(bytes(range(16))).decode()
ACCEPT = b64encode(sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()  # noqa: S324

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


@dataclass
class Frame:
    """One frame as it came."""

    opcode: int
    payload: bytes
    fin: bool = True

    @property
    def close_code(self) -> int | None:
        return struct.unpack("!H", self.payload[:2])[0] if len(self.payload) >= 2 else None


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    masked: bool = True,
    length_form: int | None = None,
) -> bytes:
    """Build a frame, right or wrong; ``length_form`` forces 7, 16 or 64 bits for the length."""
    form = length_form or (7 if len(payload) < 126 else 16 if len(payload) < 65_536 else 64)
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if masked else 0
    if form == 7:
        head = bytes([first, flag | len(payload)])
    elif form == 16:
        head = bytes([first, flag | 126]) + struct.pack("!H", len(payload))
    else:
        head = bytes([first, flag | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = b"\x11\x22\x33\x44"
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


class RawClient:
    """
    One connection after its handshake.

    Attributes:
        all: Every connection made, for the fixture that closes them.

    """

    all: ClassVar[list[RawClient]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.all.append(self)

    @classmethod
    async def request(
        cls, port: int, *, path: str = "/", head: str | None = None, **headers: str
    ) -> tuple[Self, str]:
        """Send a handshake; gives the connection and the answer's head."""
        given = {
            "Host": "localhost",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [head or f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items() if v), "", ""]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("\r\n".join(lines).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        return cls(reader, writer), answer.decode()

    @classmethod
    async def opened(cls, port: int, path: str = "/") -> Self:
        client, answer = await cls.request(port, path=path)
        assert answer.startswith("HTTP/1.1 101"), answer
        return client

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def frame(self) -> Frame | None:
        """The next frame; ``None`` when the server has ended the connection."""
        async with asyncio.timeout(10):
            try:
                first, second = await self.reader.readexactly(2)
                assert not second & 0x80, "a server never masks (section 5.1)"
                length = second & 0x7F
                if length == 126:
                    length = struct.unpack("!H", await self.reader.readexactly(2))[0]
                elif length == 127:
                    length = struct.unpack("!Q", await self.reader.readexactly(8))[0]
                return Frame(first & 0x0F, await self.reader.readexactly(length), bool(first & 0x80))
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return None

    async def close_code(self) -> int | None:
        """Read on to the close frame, then to the end of the connection; gives the code."""
        code = None
        while (one := await self.frame()) is not None:
            if one.opcode == CLOSE:
                code = one.close_code
        self.writer.close()
        return code
