"""One TCP or TLS connection's bytes cut into messages (RFC 3261 section 18.3, RFC 5626 section 3.5.1)."""

from __future__ import annotations

import re
from typing import Final

from bridge.errors import MalformedSip
from bridge.sip.parsing import MAX_MESSAGE_BYTES

_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(rb"\n(?:content-length|l)[ \t]*:(?:[ \t]|\r?\n[ \t])*([^\r\n]*)", re.IGNORECASE)
_LONGEST_END_BYTES: Final = 4
PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
"""What a ping is to be answered with."""


class Framing:
    """
    Where one message of a stream ends and the next begins.

    Holds at most one unfinished message, ``MAX_MESSAGE_BYTES``; more is an error.

    Attributes:
        pings: How many keep-alives have come since the caller last set this to 0; each wants one ``PONG``.

    """

    def __init__(self) -> None:
        self.pings = 0
        self._buffer = bytearray()
        self._searched_bytes = 0
        self._fault: MalformedSip | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take what was read; give the whole messages in it, oldest first.

        Raises:
            MalformedSip: Where the next message ends can never be known, so the connection is of no more
                use (RFC 3261 section 18.3). Messages before the fault are given first, and the
                next call raises.

        """
        if self._fault is not None:
            raise self._fault
        self._buffer += data
        messages: list[bytes] = []
        try:
            while (message := self._cut()) is not None:
                messages.append(message)
        except MalformedSip as fault:
            self._fault = fault
            self._buffer.clear()
            if not messages:
                raise
        return messages

    def _cut(self) -> bytes | None:
        """Take one whole message off the buffer; ``None`` if there is none yet."""
        if not self._searched_bytes:
            self._drop_keep_alives()
        buffer = self._buffer
        end = _END_OF_HEAD.search(buffer, self._searched_bytes)
        if end is None:
            if len(buffer) > MAX_MESSAGE_BYTES:
                raise MalformedSip("headers without an end", status=None)
            # The end may have come in part; what is before it need not be looked at again.
            self._searched_bytes = max(0, len(buffer) - _LONGEST_END_BYTES + 1)
            return None
        total_bytes = end.end() + self._body_bytes(end.start())
        if total_bytes > MAX_MESSAGE_BYTES:
            raise MalformedSip("the message is too long", status=None)
        if len(buffer) < total_bytes:
            self._searched_bytes = end.start()
            return None
        message = bytes(buffer[:total_bytes])
        del buffer[:total_bytes]
        self._searched_bytes = 0
        return message

    def _drop_keep_alives(self) -> None:
        """Count pings; a single line end is a pong, or the empty line before a message (section 7.5)."""
        buffer = self._buffer
        at = 0
        while True:
            if buffer.startswith(PING, at):
                self.pings += 1
                at += len(PING)
            elif buffer.startswith(PONG, at) and not PING.startswith(buffer[at : at + len(PING)]):
                at += len(PONG)
            elif buffer.startswith(b"\n", at):
                at += 1
            else:
                break
        del buffer[:at]

    def _body_bytes(self, head_bytes: int) -> int:
        found = {value.strip() for value in _LENGTH.findall(self._buffer, 0, head_bytes)}
        if len(found) != 1 or not re.fullmatch(rb"[0-9]{1,10}", value := found.pop()):
            # Several lengths would let one message hide in another's body.
            raise MalformedSip("no Content-Length to find the end of the message by", status=None)
        return int(value)
