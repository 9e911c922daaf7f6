"""
The server's end of one media stream, as a value: messages in, events out, commands to bytes.

No socket, no clock, no exception out of nowhere: whatever the peer sends comes back as one event.
A wrong message is a ``Violation`` whose error says whose fault it is; ``close_code`` is set only
while the stream is not open yet, because a call that runs is never dropped for one bad message.

========== =================== ===============================================
state      legal messages      then
========== =================== ===============================================
FRESH      connected, start    CONNECTED, OPEN (some programs omit connected)
CONNECTED  start               OPEN
OPEN       media, dtmf, mark   OPEN; ``stop`` leads to STOPPED
STOPPED    none                each is counted and ignored
========== =================== ===============================================

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages.
"""

from __future__ import annotations

import enum
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bridge.errors import LocalStreamError, RemoteStreamError
from bridge.mediastream import messages as wire


class State(enum.Enum):
    """Where a stream is in its life."""

    FRESH = "fresh"
    CONNECTED = "connected"
    OPEN = "open"
    STOPPED = "stopped"


class Violation(msgspec.Struct, frozen=True):
    """A message that was wrong. ``close_code`` is ``None`` once the stream is open: keep the call."""

    error: RemoteStreamError
    close_code: int | None


class Unknown(msgspec.Struct, frozen=True):
    """An event nobody here knows; Twilio may add some, so it is ignored."""

    name: str


Event = wire.Connected | wire.Start | wire.Media | wire.Dtmf | wire.Mark | wire.Stop | Violation | Unknown


@dataclass(slots=True)
class Counters:
    """What was irregular on this stream."""

    violations: int = 0
    unknown: int = 0
    sequence_gaps: int = 0
    """Messages missing from the numbering. The socket is ordered, so a gap means Twilio dropped (31930)."""
    duplicates: int = 0


class ServerStream:
    """
    One stream as the server sees it.

    Attributes:
        state: See the table above.
        start: The ``start`` body once OPEN, else ``None``.
        counters: What was irregular.

    """

    # fmt: off
    __slots__ = (
        "_last_other", "_last_sequence", "_max_message_bytes", "_open_sid", "_play_prefix", "_stream_sid",
        "counters", "start", "state",
    )
    # fmt: on

    def __init__(self, *, max_message_bytes: int = wire.MAX_MESSAGE_BYTES) -> None:
        self.state = State.FRESH
        self.start: wire.StartBody | None = None
        self.counters = Counters()
        self._max_message_bytes: Final = max_message_bytes
        self._stream_sid = ""
        self._open_sid: str | None = None
        self._last_sequence = 0
        self._last_other = 0
        self._play_prefix = b""

    # Receiving

    def receive(self, data: bytes | memoryview | str) -> Event:
        """Take one text message and say what it means. Never raises."""
        if len(data) > self._max_message_bytes:
            reason = f"message larger than {self._max_message_bytes} bytes"
            return self._violation("too_big", reason, close_code=1009)
        try:
            message = wire.decode_from_twilio(data)
        except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
            return self._undecodable(data, error)
        if type(message) is not wire.Media:
            return self._other(message)
        sequence = message.sequenceNumber
        if sequence == self._last_sequence + 1 and message.streamSid == self._open_sid:
            self._last_sequence = sequence
            return message
        return self._media(message)

    def receive_run(self, messages: Sequence[str]) -> list[wire.MediaBody]:
        """
        Take the leading ones of ``messages`` that simply are this stream's next audio.

        Says the same of them as ``receive`` would, for less. The first other message is not taken, nor is any
        after it; none may be larger than ``max_message_bytes``.
        """
        bodies: list[wire.MediaBody] = []
        decode, stream_sid, sequence = wire.decode_from_twilio, self._open_sid, self._last_sequence
        for data in messages:
            try:
                message = decode(data)
            except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
                break
            if type(message) is not wire.Media or message.streamSid != stream_sid:
                break
            if message.sequenceNumber != sequence + 1:
                break
            sequence += 1
            bodies.append(message.media)
        self._last_sequence = sequence
        return bodies

    def receive_binary(self, size_bytes: int) -> Violation:
        """A binary message arrived: Twilio sends text only."""
        return self._violation(
            "binary",
            f"binary message of {size_bytes} bytes; this protocol is JSON text only",
            close_code=1003,
        )

    def _media(self, message: wire.Media) -> Event:
        """Audio that is not simply the next."""
        if self.state is not State.OPEN:
            return self._out_of_order("media")
        if message.streamSid != self._stream_sid:
            return self._wrong_stream("media")
        sequence = message.sequenceNumber
        if sequence != self._last_sequence + 1:
            # Only counted: whether this audio is new is the timeline's question (chunk, timestamp),
            # because programs that imitate Twilio number their messages in their own ways.
            self._irregular(sequence)
        self._follow(sequence)
        return message

    def _other(self, message: wire.FromTwilio) -> Event:
        if type(message) is wire.Connected:
            if self.state is not State.FRESH:
                return self._out_of_order("connected")
            self.state = State.CONNECTED
            return message
        if type(message) is wire.Start:
            return self._start(message)
        name: str = type(message).__struct_config__.tag  # type: ignore[assignment]
        if self.state is not State.OPEN:
            return self._out_of_order(name)
        if message.streamSid != self._stream_sid:  # type: ignore[union-attr]
            return self._wrong_stream(name)
        sequence = message.sequenceNumber  # type: ignore[union-attr]
        if sequence != self._last_sequence + 1:
            self._irregular(sequence)
        self._follow(sequence)
        if type(message) is wire.Stop:
            self.state = State.STOPPED
            self._open_sid = None
        elif sequence and sequence == self._last_other:
            # An exact repeat only: whoever numbers in another way must not lose a digit or a mark.
            return self._violation("duplicate", f"{name} repeats sequence number {sequence}")
        self._last_other = sequence
        return message

    def _start(self, message: wire.Start) -> Event:
        if self.state not in (State.FRESH, State.CONNECTED):
            return self._out_of_order("start")
        body = message.start
        if not wire.is_sid(body.streamSid, "MZ"):
            return self._violation("bad_sid", "start.streamSid must be MZ and 32 hex digits")
        if not wire.is_sid(body.callSid, "CA"):
            return self._violation("bad_sid", "start.callSid must be CA and 32 hex digits")
        if message.streamSid and message.streamSid != body.streamSid:
            return self._violation("wrong_stream", "streamSid differs from start.streamSid")
        format_ = body.mediaFormat
        if (format_.encoding, format_.sampleRate, format_.channels) != (wire.MU_LAW, 8000, 1):
            # Playing A-law or L16 as μ-law is loud noise: refuse and say so.
            return self._violation(
                "unsupported_format", "mediaFormat must be audio/x-mulaw, 8000 Hz, 1 channel"
            )
        self.state = State.OPEN
        self.start = body
        self._stream_sid = self._open_sid = body.streamSid
        self._last_sequence = message.sequenceNumber
        self._play_prefix = wire.encode_play_prefix(body.streamSid)
        return message

    def _irregular(self, sequence: int) -> None:
        """Count a sequence number that is not the next one."""
        if sequence <= 0:
            return
        if sequence <= self._last_sequence:
            self.counters.duplicates += 1
        elif sequence - self._last_sequence <= _MAX_SEQUENCE_JUMP:
            self.counters.sequence_gaps += sequence - self._last_sequence - 1

    def _follow(self, sequence: int) -> None:
        """Remember the highest number; one absurd value must not make all later ones look old."""
        if 0 < sequence - self._last_sequence <= _MAX_SEQUENCE_JUMP:
            self._last_sequence = sequence

    def _undecodable(self, data: bytes | memoryview | str, error: Exception) -> Event:
        try:
            name = wire.decode_envelope(data).event
        except msgspec.ValidationError:
            return self._violation("no_event", 'message is not an object with an "event" string')
        except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError):
            advice = "" if self.start else '; send {"event":"connected",…}, then "start"'
            return self._violation("not_json", f"not JSON{advice}", close_code=1007)
        if name not in _KNOWN:
            self.counters.unknown += 1
            return Unknown(name)
        return self._violation("bad_shape", f"bad {name} message: {error}", close_code=1007)

    def _out_of_order(self, name: str) -> Violation:
        return self._violation("out_of_order", _ORDER_REASON[self.state].format(name=name))

    def _wrong_stream(self, name: str) -> Violation:
        return self._violation("wrong_stream", f"{name} for a streamSid that is not this stream's")

    def _violation(self, kind: str, reason: str, *, close_code: int = 1008) -> Violation:
        self.counters.violations += 1
        error = RemoteStreamError(kind, _cut(reason), close_code=close_code)
        opened = self.state in (State.OPEN, State.STOPPED)
        # An oversize message ends the stream even when open: the limit protects everybody else.
        return Violation(error, close_code if not opened or close_code == 1009 else None)

    # Sending

    def play(self, payload: bytes) -> bytes:
        """
        The message that plays ``payload``.

        Raises:
            LocalStreamError: the stream is not open.

        """
        if self._open_sid is None:
            raise self._not_open("play")
        return b'%b%b"}}' % (self._play_prefix, b2a_base64(payload, newline=False))

    def mark(self, name: str) -> bytes:
        """The message that sets a mark. Raises ``LocalStreamError`` if the stream is not open."""
        if self.state is not State.OPEN:
            raise self._not_open("mark")
        return wire.encode_mark(self._stream_sid, name)

    def clear(self) -> bytes:
        """The message that drops queued audio. Raises ``LocalStreamError`` if the stream is not open."""
        if self.state is not State.OPEN:
            raise self._not_open("clear")
        return wire.encode_clear(self._stream_sid)

    def _not_open(self, command: str) -> LocalStreamError:
        return LocalStreamError(f"{command}: the stream is {self.state.value}, not open")


_MAX_SEQUENCE_JUMP: Final = 100_000
"""Half an hour of frames; a larger step is not believed."""

_KNOWN: Final = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})

_ORDER_REASON: Final = {
    State.FRESH: '"{name}" before "start"; send "connected", then "start" first',
    State.CONNECTED: '"{name}" before "start"; send "start" next',
    State.OPEN: 'a second "{name}" on an open stream',
    State.STOPPED: '"{name}" after "stop"',
}


def _cut(reason: str) -> str:
    """A close reason has 123 bytes at most (RFC 6455 section 5.5)."""
    encoded = reason.encode()
    return reason if len(encoded) <= 120 else encoded[:117].decode(errors="ignore") + "…"
