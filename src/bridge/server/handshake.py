"""The opening handshake of RFC 6455 section 4.2, between uvicorn's HTTP parser and picows' frame parser."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """
    A request for a WebSocket, as uvicorn hands it over: well-formed HTTP/1.1, header names in lower case.

    Attributes:
        path: Percent-decoded.
        raw_path: As it came.
        query: As it came, without the question mark.
        headers: In their order.

    """

    method: bytes
    path: str
    raw_path: bytes
    query: bytes
    headers: Headers

    def values(self, name: bytes) -> list[str]:
        """Every comma-separated value of a header, in order."""
        return [
            part.strip()
            for key, value in self.headers
            if key == name
            for part in value.decode("latin-1").split(",")
            if part.strip()
        ]

    @property
    def key(self) -> str:
        """``Sec-WebSocket-Key``; empty if it is absent."""
        return next(iter(self.values(b"sec-websocket-key")), "")

    def fault(self) -> tuple[HTTPStatus, str] | None:
        """What section 4.2.1 finds wrong with it: the status to answer and a sentence, if anything."""
        if self.method != b"GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, "A WebSocket handshake is a GET request."
        if "upgrade" not in map(str.lower, self.values(b"connection")):
            return HTTPStatus.BAD_REQUEST, "The Connection header must hold Upgrade."
        if "websocket" not in map(str.lower, self.values(b"upgrade")):
            return HTTPStatus.BAD_REQUEST, "The Upgrade header must hold websocket."
        if self.values(b"sec-websocket-version") != ["13"]:
            return HTTPStatus.UPGRADE_REQUIRED, "Only Sec-WebSocket-Version 13 is spoken here."
        keys = self.values(b"sec-websocket-key")
        try:
            is_key = len(keys) == 1 and len(b64decode(keys[0], validate=True)) == 16
        except (binascii.Error, ValueError):
            is_key = False
        if not is_key:
            return HTTPStatus.BAD_REQUEST, "Sec-WebSocket-Key must be the base64 of 16 bytes, once."
        return None

    def for_picows(self) -> bytes:
        """
        The same request cut down to what the frame parser needs to answer it.

        It takes ``Connection: Upgrade`` alone, while browsers send ``keep-alive, Upgrade``.
        """
        return (
            b"GET / HTTP/1.1\r\nHost: bridge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % self.key.encode()
        )


def read_request(data: bytes) -> UpgradeRequest:
    """Read a request that uvicorn has parsed and put together again."""
    head, *lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    method, target, _version = head.split(b" ", 2)
    raw_path, _, query = target.partition(b"?")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    return UpgradeRequest(method, unquote(raw_path.decode("ascii")), raw_path, query, headers)


def http_response(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    """A whole HTTP answer instead of a WebSocket; the connection closes after it."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [b"HTTP/1.1 %d %b" % (status, phrase.encode())]
    fixed = {b"content-length", b"connection"}
    lines += [b"%b: %b" % (name, value) for name, value in headers if name.lower() not in fixed]
    lines += [b"content-length: %d" % len(body), b"connection: close", b"", body]
    return b"\r\n".join(lines)
