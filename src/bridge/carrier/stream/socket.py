"""
One WebSocket of a media stream, seen from Twilio's end: text messages out, frames in.

picows (a C parser) calls ``on_ws_frame`` once per frame; what it leaves to its user is done here:
reserved bits, the assembly of fragments, the closing handshake and back-pressure (RFC 6455).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NoReturn

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSProtocolError, WSTransport

from bridge.carrier.stream.url import StreamFault
from bridge.clock import Clock
from bridge.mediastream.messages import MAX_SERVER_MESSAGE_BYTES

SLOW_BYTES: Final = 64 * 1024
"""Unsent bytes above which the server counts as too slow: about three seconds of audio."""

DEAD_BYTES: Final = 1024 * 1024
"""Unsent bytes (marks and pongs are never dropped) above which the socket is given up."""

_NO_STATUS: Final = 1005
"""Stands for a close frame without a code (RFC 6455 section 7.1.5)."""

log = logging.getLogger(__name__)


class StreamSocket(WSListener):
    """
    The socket's state and its callbacks; ``stream_connect.connect`` opens it.

    Args:
        on_open: Called once, when the upgrade was accepted and before any frame.
        on_text: Called with each whole text message; the buffer dies with the call.
        on_binary: Called for each whole binary message.

    Attributes:
        slow: Too much is waiting to be sent: do not send what can be dropped.
        close_code: The code of the server's close frame; 1005 if it had none, None if there was no frame.

    """

    def __init__(
        self,
        *,
        on_open: Callable[[], None],
        on_text: Callable[[memoryview], None],
        on_binary: Callable[[], None],
    ) -> None:
        super().__init__()
        self.slow = False
        self.close_code: int | None = None
        self._close_reason = ""
        self._on_open: Final = on_open
        self._on_text: Final = on_text
        self._on_binary: Final = on_binary
        self._transport: WSTransport | None = None
        self._ending: Final = asyncio.Event()
        self._close_sent = False
        self._gone = False
        self._fragments: bytearray | None = None
        self._fragments_are_text = False
        self._failure: StreamFault | None = None

    @property
    def was_opened(self) -> bool:
        """Whether the upgrade was ever accepted."""
        return self._transport is not None

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent."""
        return self._transport is not None and not self._close_sent and not self._ending.is_set()

    # Called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=SLOW_BYTES)
        self._on_open()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002  (picows's signature)
        self._ending.set()

    def pause_writing(self) -> None:
        self.slow = True

    def resume_writing(self) -> None:
        self.slow = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            _violation("reserved bits are set, but no extension was agreed")  # section 5.2
        if kind == WSMsgType.CLOSE:
            self._close_received(transport, frame)
        elif kind == WSMsgType.CONTINUATION or not frame.fin:
            self._fragment(frame, kind)
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            if self._fragments is not None:
                _violation("a new message inside a fragmented one")  # section 5.4
            if kind == WSMsgType.TEXT:
                self._on_text(frame.get_payload_as_memoryview())
            else:
                self._on_binary()

    def _fragment(self, frame: WSFrame, kind: WSMsgType) -> None:
        if (kind == WSMsgType.CONTINUATION) == (self._fragments is None):
            _violation("fragments out of order")  # section 5.4
        if self._fragments is None:
            self._fragments = bytearray()
            self._fragments_are_text = kind == WSMsgType.TEXT
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > MAX_SERVER_MESSAGE_BYTES:
            raise WSProtocolError(WSCloseCode.MESSAGE_TOO_BIG, "message too large")
        if frame.fin:
            message, self._fragments = self._fragments, None
            if self._fragments_are_text:
                self._on_text(memoryview(message))
            else:
                self._on_binary()

    def _close_received(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        self.close_code = int.from_bytes(payload[:2], "big") if payload else _NO_STATUS
        self._close_reason = payload[2:].decode()  # picows has checked that it is UTF-8
        if not self._close_sent:
            # Section 5.5.1: answer with the code received. Sent as a plain frame, because send_close
            # knows neither an empty close frame nor the codes from 3000 on.
            self._close_sent = True
            transport.send(WSMsgType.CLOSE, payload[:2])
        self._ending.set()
        transport.disconnect()

    # Called by the stream

    def send(self, message: bytes) -> None:
        """Send one text message; dropped if the socket is not open."""
        transport = self._transport
        if transport is None or self._close_sent:
            return
        if self.slow and transport.underlying_transport.get_write_buffer_size() > DEAD_BYTES:
            self._failure = StreamFault(31903, f"gave up: the server left {DEAD_BYTES} bytes unread")
            self._ending.set()
            return
        transport.send(WSMsgType.TEXT, message)
        if transport.is_close_frame_sent:  # picows has found a violation and is closing
            self._ending.set()

    def close(self) -> None:
        """Begin the closing handshake with an empty close frame: servers see 1005, as they do from Twilio."""
        if self._transport is not None and not self._close_sent:
            self._close_sent = True
            self._transport.send(WSMsgType.CLOSE, b"")

    async def ending(self) -> None:
        """Return when the server has closed, or the connection is lost or no longer of use."""
        await self._ending.wait()

    async def gone(self, clock: Clock, *, within_s: float) -> None:
        """Return when the connection is gone; one that is not gone by then is cut."""
        transport = self._transport
        if transport is None or self._gone:
            return
        async with asyncio.TaskGroup() as group:
            alarm = group.create_task(clock.sleep_until_s(clock.now_s() + within_s))
            alarm.add_done_callback(lambda _: transport.disconnect(graceful=False))
            try:
                await transport.wait_disconnected()
            except WSProtocolError as error:
                self._failure = StreamFault(31924, f"WebSocket protocol violation: {error}")
            except Exception:
                log.exception("a message of the server's could not be handled")
                self._failure = StreamFault(31900, "unknown failure in the carrier; its log says more")
            alarm.cancel()
        self._gone = True

    def fault(self) -> StreamFault:
        """Why the socket ended, where the end was not asked for."""
        if self._failure is not None:
            return self._failure
        if self.close_code is None:
            return StreamFault(31903, "the server's connection broke without a close frame")
        reason = f" {self._close_reason!r}" if self._close_reason else ""
        # Raised even for an intended close: https://www.twilio.com/docs/api/errors/31921
        return StreamFault(31921, f"the server closed the stream with code {self.close_code}{reason}")


def _violation(text: str) -> NoReturn:
    raise WSProtocolError(WSCloseCode.PROTOCOL_ERROR, text)
