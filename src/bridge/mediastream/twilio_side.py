"""
Twilio's end of one media stream, as a value: used by the local carrier and the simulator.

Strict where Twilio is strict: what a server sends wrongly is a ``Warning_`` with Twilio's code, told
once per code and stream (https://www.twilio.com/docs/api/errors/31951), and the message is ignored.
Numbers leave as strings, ``sequenceNumber`` counts from ``start`` on, ``chunk`` counts per track.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import Final

import msgspec

from bridge.errors import LocalStreamError
from bridge.mediastream import messages as wire

BINARY_CODE: Final = 31950
INVALID_CODE: Final = 31951


class Fault(msgspec.Struct, frozen=True):
    """
    The server sent something Twilio would not take; the message is dropped.

    Attributes:
        code: Twilio's error code.
        message: What was wrong.
        first: Whether this code is told for the first time on this stream; later ones are silent.

    """

    code: int
    message: str
    first: bool


ServerEvent = wire.PlayMedia | wire.SetMark | wire.Clear | Fault


class TwilioStream:
    """
    One stream as Twilio sees it.

    Attributes:
        start: What the ``start`` message says.
        sent_frames: How many ``media`` messages were made.

    """

    def __init__(self, start: wire.StartBody) -> None:
        self.start: Final = start
        self.sent_frames = 0
        self._sequence = 0
        self._chunks = dict.fromkeys(start.tracks, 0)
        self._told: set[int] = set()
        self._stopped = False

    # Sending

    def open(self) -> tuple[bytes, bytes]:
        """The first two messages: ``connected`` and ``start``."""
        if self._sequence:
            raise LocalStreamError("the stream is open already")
        self._sequence = 1
        return wire.encode_connected(), wire.encode_start(self.start, 1)

    def media(self, payload: bytes, timestamp_ms: int, *, track: str = "inbound") -> bytes:
        """One piece of audio from the phone."""
        sequence = self._next()
        chunk = self._chunks[track] = self._chunks[track] + 1
        self.sent_frames += 1
        return (
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"%b","chunk":"%d",'
            b'"timestamp":"%d","payload":"%b"},"streamSid":"%b"}'
            % (
                sequence,
                track.encode(),
                chunk,
                timestamp_ms,
                b2a_base64(payload, newline=False),
                self.start.streamSid.encode(),
            )
        )

    def dtmf(self, digit: str) -> bytes:
        """A digit was pressed; the track is ``inbound_track`` here, not ``inbound``."""
        return self._message("dtmf", {"track": "inbound_track", "digit": digit})

    def mark(self, name: str) -> bytes:
        """The echo of a server's mark."""
        return self._message("mark", {"name": name})

    def stop(self) -> bytes:
        """The last message; nothing can be sent after it."""
        body = {"accountSid": self.start.accountSid, "callSid": self.start.callSid}
        message = self._message("stop", body)
        self._stopped = True
        return message

    def _message(self, event: str, body: dict[str, str]) -> bytes:
        return wire.encode_from_twilio(event, body, stream_sid=self.start.streamSid, sequence=self._next())

    def _next(self) -> int:
        if not self._sequence or self._stopped:
            raise LocalStreamError("the stream is not open")
        self._sequence += 1
        return self._sequence

    # Receiving

    def receive(self, data: bytes | memoryview | str) -> ServerEvent:
        """Take one text message of the server's. Never raises."""
        if len(data) > wire.MAX_SERVER_MESSAGE_BYTES:
            return self._fault(INVALID_CODE, "message too large")
        try:
            message: wire.FromServer = wire.decode_from_server(data)
        except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
            return self._fault(INVALID_CODE, f"invalid message: {error}")
        if message.streamSid != self.start.streamSid:
            return self._fault(INVALID_CODE, "streamSid is not this stream's")
        return message

    def receive_binary(self) -> Fault:
        """A binary message arrived: Twilio decodes text only."""
        return self._fault(BINARY_CODE, "binary message; only text is decoded")

    def fault(self, code: int, message: str) -> Fault:
        """Report a fault found elsewhere (31931: playback queue full), once per stream like the rest."""
        return self._fault(code, message)

    def _fault(self, code: int, message: str) -> Fault:
        first = code not in self._told
        self._told.add(code)
        return Fault(code, message, first)
