"""
From frames to messages: what the frame parser leaves to its user.

picows parses and unmasks frames in C and refuses unknown opcodes, unmasked frames, bad lengths and bad
close codes. Reserved bits (RFC 6455 section 5.2), the order of fragments (5.4), the limit of a whole message,
UTF-8 (8.1) and the closing handshake (7) are done here.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from bridge.calls.socket import Patience

log = logging.getLogger(__name__)

TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE
_LINGER_S: Final = 10.0
_SMALL: Final = 2048
MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""Whoever sends without waiting must hold back long before this; beyond it would eat all memory."""
_HEADER_BYTES: Final = 14
"""Room for the longest frame header."""
_LEGAL_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
"""Section 7.4 and the registry it founds; picows lets 0, 1006 and those from 5000 on through."""
_new_decoder: Final = codecs.getincrementaldecoder("utf-8")


class MessageHandler(Protocol):
    """Who is told what comes on a WebSocket; every call is synchronous and in order."""

    def opened(self) -> None:
        """The 101 was sent; messages may follow."""
        ...

    def text(self, data: str) -> None:
        """One text message, its UTF-8 checked."""
        ...

    def binary(self, data: bytes) -> None:
        """One binary message."""
        ...

    def closed(self, code: int, reason: str) -> None:
        """The connection is over: the peer's code, or ours, or 1006 if there was none."""
        ...

    def pause_writing(self) -> None:
        """Too much is waiting to be sent."""
        ...

    def resume_writing(self) -> None:
        """It has drained."""
        ...


class Frames(WSListener):
    """
    One connection's frames.

    Args:
        handler: Is told the messages.
        max_message_bytes: Of a whole message, fragments added up; 1009 beyond it.

    Attributes:
        is_quiet: No frame has come since somebody set this.
        on_text: Takes each text message; the handler's ``text`` unless somebody shortens the way.
        patience: Whoever takes the text messages lets some wait here.
        is_congested: More waits to be sent than the transport's high-water mark.

    """

    __slots__ = (
        "_decoder",
        "_failed",
        "_fragments",
        "_handler",
        "_is_closing",
        "_is_plain",
        "_linger",
        "_max_message_bytes",
        "_text",
        "is_congested",
        "is_quiet",
        "on_text",
        "patience",
        "transport",
    )

    def __init__(self, handler: MessageHandler, max_message_bytes: int) -> None:
        self.is_quiet = True
        self.on_text: Callable[[str], None] = handler.text
        self.patience: Patience | None = None
        self.is_congested = False
        self.transport: WSTransport | None = None
        self._handler = handler
        self._max_message_bytes = max_message_bytes
        self._fragments: bytearray | None = None
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text: list[str] = []
        self._failed: tuple[int, str] | None = None
        self._is_closing = False
        self._is_plain = True  # neither closing nor inside a fragmented message
        self._linger: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self._handler.opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.is_quiet = False
        kind = frame.msg_type
        try:
            if kind is TEXT and self._is_plain and frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3):
                text = frame.get_payload_as_utf8_text()  # picows has checked its size
                patience = self.patience
                if (  # as in Patience.keeps: for media frames every call counts
                    patience is not None
                    and patience.messages > 1
                    and len(text) <= patience.most_characters
                    and text.startswith(patience.begins)
                ):
                    waiting = patience.waiting
                    waiting.append(text)
                    if len(waiting) >= patience.messages:
                        patience.flush()
                else:
                    self.on_text(text)
            else:
                self._other(transport, kind, frame)
        except UnicodeDecodeError:
            self.fail(1007, "a text message is not UTF-8")
        except Exception:
            # A fault of ours in one message must end this connection alone.
            log.exception("taking a WebSocket message failed")
            self.fail(1011, "internal error")

    def _other(self, transport: WSTransport, kind: WSMsgType, frame: WSFrame) -> None:
        """A frame that is not simply a whole text message."""
        if self._is_closing and (self._failed is not None or kind is not CLOSE):
            return  # section 7.1.7: nothing is processed after failing; 5.5.1: nor need it be after our close
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.fail(1002, "reserved bits are set, but no extension was agreed on")
        elif kind is PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind is CLOSE:
            self._close(transport, frame)
        elif kind is not PONG:
            self._fragment(kind, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._linger is not None:
            self._linger.cancel()
        # Section 7.1.5. The codes are integers behind picows' enumeration; 0 is a frame without a code: 1005.
        handshake = transport.close_handshake
        info: Any = None
        if handshake is not None:
            info = handshake.sent if self._failed is not None else handshake.recv or handshake.sent
        if info is None:
            self._handler.closed(1006, "")
        else:
            self._handler.closed(int(info.code) or 1005, info.reason)

    # Sending

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet; not asked for, and 0, below the transport's high-water mark."""
        if not self.is_congested or self.transport is None:
            return 0
        size_bytes: int = self.transport.underlying_transport.get_write_buffer_size()
        return size_bytes

    @property
    def is_open(self) -> bool:
        """False once either side has begun to close."""
        transport = self.transport
        return transport is not None and not (transport.is_close_frame_sent or transport.is_disconnected)

    def send_text(self, message: bytes) -> bool:
        """Send one text message the shortest way; false on a closed connection, or while much is unsent."""
        if self.is_congested or self.transport is None or len(message) > _SMALL:
            return self._send_long(message)
        self.transport.send(TEXT, message)
        return True

    def _send_long(self, message: bytes) -> bool:
        if self.unsent_bytes > MAX_UNSENT_BYTES:
            self.fail(1008, "not reading")
        self.send(message, text=True)
        return self.is_open and not self.is_congested

    def send(self, message: bytes | str, *, text: bool) -> None:
        """Send one message; nothing happens on a closed connection."""
        if self.transport is None:
            return
        kind = TEXT if text else BINARY
        if len(message) <= _SMALL:
            self.transport.send(kind, message)
            return
        # picows would use writelines, which in CPython before 3.12.8 and 3.13.1 never pauses the writer
        # (CVE-2024-12254): a peer that does not read would fill our memory.
        data = message.encode() if isinstance(message, str) else message
        self.transport.send_reuse_external_bytearray(kind, bytearray(_HEADER_BYTES) + data, _HEADER_BYTES)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self.transport is not None:
            self.transport.send_ping()

    def close(self, code: int, reason: str) -> bool:
        """Start the closing handshake; false if it was started already."""
        if not self.is_open or self.transport is None:
            return False
        self._is_closing, self._is_plain = True, False
        self.transport.send_close(WSCloseCode(code), reason.encode()[:123])
        return True

    def pause_writing(self) -> None:
        self.is_congested = True
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self.is_congested = False
        self._handler.resume_writing()

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection (section 7.1.7): say why, then close it without waiting for an answer."""
        if self._failed is None and self.transport is not None:
            self._failed = code, reason
            self._is_closing, self._is_plain = True, False
            self.transport.send_close(WSCloseCode(code), reason.encode())
            self._disconnect(self.transport)
            self._handler.closed(code, reason)

    def _disconnect(self, transport: WSTransport) -> None:
        """End the connection once all was sent, or by force where the peer does not read it."""
        transport.disconnect()
        loop = asyncio.get_running_loop()
        self._linger = loop.call_later(_LINGER_S, transport.underlying_transport.abort)

    def _fragment(self, kind: WSMsgType, frame: WSFrame) -> None:
        """A binary message, or a piece of a fragmented one (section 5.4)."""
        if kind is CONTINUATION:
            if self._fragments is None:
                self.fail(1002, "a continuation frame without a message to continue")
                return
        elif self._fragments is not None:
            self.fail(1002, "a new message before the last fragment of the one before")
            return
        else:
            self._fragments, self._is_plain = bytearray(), False
            self._decoder = _new_decoder() if kind is TEXT else None
        if len(self._fragments) + frame.payload_size > self._max_message_bytes:
            self._too_big()
            return
        self._fragments += frame.get_payload_as_memoryview()
        if self._decoder is not None:
            # Checked piece by piece, so that bad UTF-8 fails at the end of the frame that holds it.
            self._text.append(self._decoder.decode(frame.get_payload_as_bytes(), final=frame.fin))
        if frame.fin:
            self._whole()

    def _whole(self) -> None:
        data, self._fragments = bytes(self._fragments or b""), None
        self._is_plain = True
        if self._decoder is None:
            self._handler.binary(data)
            return
        text, self._decoder, self._text = "".join(self._text), None, []
        self.on_text(text)

    def _too_big(self) -> None:
        self.fail(1009, f"a message has more than {self._max_message_bytes} bytes")

    def _close(self, transport: WSTransport, frame: WSFrame) -> None:
        """Answer a close with its own code (section 5.5.1); the server ends the connection (7.1.1)."""
        code: Any = frame.get_close_code()
        if frame.payload_size and code not in _LEGAL_CODES:
            self.fail(1002, "a close code that may not be sent")
            return
        self._is_closing, self._is_plain = True, False
        if not transport.is_close_frame_sent:
            if frame.payload_size:
                transport.send_close(code)
            else:
                transport.send(CLOSE, b"")
        self._disconnect(transport)
        self._handler.closed(int(code) or 1005, frame.get_close_reason())
