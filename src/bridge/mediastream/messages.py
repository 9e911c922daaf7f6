"""
The wire messages of Twilio Media Streams, typed.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages. Twilio sends every number
outside ``mediaFormat`` as a JSON *string*; the decoder reads both spellings into ``int`` (other
programs that speak this protocol send bare numbers), the encoders write strings only.

What Twilio sends is read leniently: unknown fields are ignored, because new ones may appear any time.
What a server may send is read strictly, as Twilio does: a missing or extra field is error 31951.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

MU_LAW: Final = "audio/x-mulaw"
"""The only encoding Twilio streams: G.711 μ-law, 8000 Hz, mono."""

MAX_MESSAGE_BYTES: Final = 65_536
"""A frame of Twilio's takes about 400 bytes; nothing legal comes near this (1009 above it)."""

MAX_SERVER_MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Twilio documents no limit on what a server sends; ours stops a runaway (ten minutes take 6.4 MB)."""


class MediaFormat(msgspec.Struct, frozen=True):
    """``start.mediaFormat``; the one place where Twilio sends numbers as numbers."""

    encoding: str = MU_LAW
    sampleRate: int = 8000  # noqa: N815  (the wire's own spelling)
    channels: int = 1


class StartBody(msgspec.Struct, frozen=True):
    """``start.start``: who is calling and what will be sent."""

    accountSid: str  # noqa: N815
    callSid: str  # noqa: N815
    streamSid: str  # noqa: N815
    tracks: tuple[str, ...] = ("inbound",)
    mediaFormat: MediaFormat = MediaFormat()  # noqa: N815
    customParameters: dict[str, str] = {}  # noqa: N815


class MediaBody(msgspec.Struct, gc=False):
    """``media.media``: one piece of audio. ``timestamp`` is milliseconds since the stream began."""

    payload: bytes
    track: str = "inbound"
    chunk: int = 0
    timestamp: int | None = None


class DtmfBody(msgspec.Struct, frozen=True):
    """``dtmf.dtmf``; ``track`` is always ``inbound_track``, unlike media's ``inbound``."""

    digit: str
    track: str = "inbound_track"


class MarkBody(msgspec.Struct, frozen=True):
    """``mark.mark`` as it comes back."""

    name: str


class SetMarkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``mark.mark`` as a server sends it."""

    name: str


class StopBody(msgspec.Struct, frozen=True):
    """``stop.stop``; it has no ``streamSid`` inside."""

    accountSid: str = ""  # noqa: N815
    callSid: str = ""  # noqa: N815


class Connected(msgspec.Struct, frozen=True, tag_field="event", tag="connected"):
    """Always first; has neither ``streamSid`` nor ``sequenceNumber``."""

    protocol: str = "Call"
    version: str = "1.0.0"


class Start(msgspec.Struct, frozen=True, tag_field="event", tag="start"):
    """Once, right after ``connected``."""

    start: StartBody
    streamSid: str = ""  # noqa: N815
    sequenceNumber: int = 0  # noqa: N815


class Media(msgspec.Struct, tag_field="event", tag="media", gc=False):
    """Audio from the call, usually 20 ms (160 bytes); the size is not promised."""

    media: MediaBody
    streamSid: str = ""  # noqa: N815
    sequenceNumber: int = 0  # noqa: N815


class Dtmf(msgspec.Struct, frozen=True, tag_field="event", tag="dtmf"):
    """A digit the caller pressed."""

    dtmf: DtmfBody
    streamSid: str = ""  # noqa: N815
    sequenceNumber: int = 0  # noqa: N815


class Mark(msgspec.Struct, frozen=True, tag_field="event", tag="mark"):
    """A mark of ours came back: all before it was played, or cleared."""

    mark: MarkBody
    streamSid: str = ""  # noqa: N815
    sequenceNumber: int = 0  # noqa: N815


class Stop(msgspec.Struct, frozen=True, tag_field="event", tag="stop"):
    """The stream is over; Twilio then closes the socket."""

    stop: StopBody = StopBody()
    streamSid: str = ""  # noqa: N815
    sequenceNumber: int = 0  # noqa: N815


FromTwilio = Connected | Start | Media | Dtmf | Mark | Stop


class PlayBody(msgspec.Struct, forbid_unknown_fields=True):
    """``media.media`` of a server: the payload alone; anything more is error 31951."""

    payload: bytes


class PlayMedia(msgspec.Struct, tag_field="event", tag="media", forbid_unknown_fields=True):
    """Audio for the phone; any size."""

    streamSid: str  # noqa: N815
    media: PlayBody


class SetMark(msgspec.Struct, frozen=True, tag_field="event", tag="mark", forbid_unknown_fields=True):
    """Ask for an echo once everything queued before it was played."""

    streamSid: str  # noqa: N815
    mark: SetMarkBody


class Clear(msgspec.Struct, frozen=True, tag_field="event", tag="clear", forbid_unknown_fields=True):
    """Drop what is queued and not yet played."""

    streamSid: str  # noqa: N815


FromServer = PlayMedia | SetMark | Clear


class Envelope(msgspec.Struct, frozen=True):
    """The part every message has; used to name an event nobody here knows."""

    event: str


decode_from_twilio: Final = msgspec.json.Decoder(FromTwilio, strict=False).decode
decode_from_server: Final = msgspec.json.Decoder(FromServer).decode
decode_envelope: Final = msgspec.json.Decoder(Envelope).decode
_encode: Final = msgspec.json.Encoder().encode

_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")


def is_sid(text: str, prefix: str) -> bool:
    """Whether ``text`` is a Twilio SID of this kind: two capitals and 32 hexadecimal digits."""
    return text.startswith(prefix) and _SID.fullmatch(text) is not None


def encode_connected() -> bytes:
    """Twilio's first message."""
    return b'{"event":"connected","protocol":"Call","version":"1.0.0"}'


def encode_start(body: StartBody, sequence: int) -> bytes:
    """Twilio's ``start``; ``mediaFormat`` keeps real numbers."""
    return _encode(
        {
            "event": "start",
            "sequenceNumber": str(sequence),
            "start": body,
            "streamSid": body.streamSid,
        }
    )


def encode_from_twilio(event: str, body: dict[str, str], *, stream_sid: str, sequence: int) -> bytes:
    """Any later message of Twilio's: ``body`` goes under the event's own name, numbers as strings."""
    return _encode({"event": event, "sequenceNumber": str(sequence), event: body, "streamSid": stream_sid})


def encode_play_prefix(stream_sid: str) -> bytes:
    """All of a server's ``media`` message before its base64, built once per stream."""
    return b'{"event":"media","streamSid":%b,"media":{"payload":"' % _encode(stream_sid)


def encode_mark(stream_sid: str, name: str) -> bytes:
    """A server's ``mark``."""
    return _encode({"event": "mark", "streamSid": stream_sid, "mark": {"name": name}})


def encode_clear(stream_sid: str) -> bytes:
    """A server's ``clear``."""
    return _encode({"event": "clear", "streamSid": stream_sid})
