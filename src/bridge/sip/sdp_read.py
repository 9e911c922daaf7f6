"""Session descriptions, read: each media line, with the session's own words as defaults (RFC 4566)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, Literal

from bridge.errors import SdpError
from bridge.sip.crypto import Crypto, read_crypto

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
Codec = Literal["PCMU", "PCMA"]

_DIRECTIONS: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}

MOST_BYTES: Final = 65_536
MOST_MEDIA: Final = 32
_MOST_FORMATS: Final = 64
_MOST_KEYS: Final = 16

_STATIC: Final = {0: ("PCMU", 8000), 8: ("PCMA", 8000)}
"""Payload types that need no ``a=rtpmap`` (RFC 3551 section 6, table 4)."""

_MEDIA: Final = re.compile(
    r"(?P<kind>\S+)\s+(?P<port>\d{1,5})(/\d+)?\s+(?P<profile>\S+)(?P<formats>(\s+\S+)*)\s*"
)
_RTPMAP: Final = re.compile(r"(\d{1,3})\s+([^/\s]+)/(\d{1,6})(/1)?\s*")


@dataclass(slots=True)
class MediaLine:
    """
    One ``m=`` line and what belongs to it.

    Attributes:
        kind: ``audio``, ``video`` …
        port: RTP port; 0 for a line that is refused or over.
        profile: e.g. ``RTP/AVP``, as written.
        formats: The rest of the line, as written: payload types, for RTP.
        connection: What the ``c=`` line says, unread: only a line that we take has to make sense.
        direction: As the sender of the description sees it.
        names: Encoding name in capitals and clock rate in Hz of each payload type.
        crypto: The keys we could use, in their order.
        ptime_ms: What the sender likes to receive in a packet.
        is_rtcp_mux: RTCP may share the RTP port (RFC 5761).
        rtcp_port: Where RTCP goes if not to the next port (RFC 3605).

    """

    kind: str
    port: int
    profile: str
    formats: tuple[str, ...]
    connection: str | None = None
    direction: Direction = "sendrecv"
    names: dict[int, tuple[str, int]] = field(default_factory=dict)
    crypto: list[Crypto] = field(default_factory=list)
    ptime_ms: int = 20
    is_rtcp_mux: bool = False
    rtcp_port: int | None = None

    def host(self) -> str:
        """
        Give the IP address to send to; ``0.0.0.0`` is an old way to hold a call.

        Raises:
            SdpError: 488, there is none; a name would have to be looked up while the call waits, and
                nobody sends one.

        """
        parts = (self.connection or "").split()
        try:
            address = ipaddress.ip_address(parts[2].partition("/")[0])
        except (IndexError, ValueError):
            raise SdpError("the audio has no c= line with an IP address") from None
        if address.is_multicast:
            raise SdpError("the audio is offered at a multicast address")
        return str(address)

    def payload_types(self) -> list[int]:
        """Every payload type that is one, in the sender's order of preference."""
        return [int(text) for text in self.formats if text.isdecimal() and int(text) < 128]

    def codec(self) -> tuple[int, Codec] | None:
        """Choose the first codec we speak; ``None`` if there is none."""
        for number in self.payload_types():
            name = self.names.get(number, _STATIC.get(number))
            if name == ("PCMU", 8000):
                return number, "PCMU"
            if name == ("PCMA", 8000):
                return number, "PCMA"
        return None

    def event_payload_type(self) -> int | None:
        """Give the payload type of digits at our clock rate (RFC 4733); those of wideband do not fit."""
        for number in self.payload_types():
            if self.names.get(number) == ("TELEPHONE-EVENT", 8000):
                return number
        return None


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """
    All media lines of one description, in order.

    Attributes:
        media: Every line: an answer needs one for each (RFC 3264 section 6).

    """

    media: tuple[MediaLine, ...]

    @property
    def audio(self) -> tuple[MediaLine, ...]:
        """The audio lines that are not refused."""
        return tuple(line for line in self.media if line.kind == "audio" and line.port)


def read(body: bytes) -> SessionDescription:
    """
    Read a session description; lines and attributes we do not know are passed over.

    Raises:
        SdpError: 400, it is none.

    """
    if len(body) > MOST_BYTES:
        raise SdpError(f"the session description is longer than {MOST_BYTES} bytes", status=400)
    lines = [line.strip() for line in body.decode("utf-8", "replace").replace("\r", "\n").split("\n")]
    lines = [line for line in lines if line]
    if not lines or lines[0].replace(" ", "") != "v=0":
        raise SdpError("the session description does not begin with v=0", status=400)
    session = MediaLine("session", 0, "", ())
    media: list[MediaLine] = []
    for line in lines[1:]:
        name, _, value = line.partition("=")
        if name == "m":
            if len(media) >= MOST_MEDIA:
                raise SdpError(f"the session description has more than {MOST_MEDIA} media", status=400)
            media.append(_media_line(value, session))
        else:
            _take(name, value.strip(), media[-1] if media else session)
    return SessionDescription(tuple(media))


def _media_line(value: str, session: MediaLine) -> MediaLine:
    found = _MEDIA.fullmatch(value.strip())
    if found is None or int(found["port"]) > 65_535:
        raise SdpError("the session description has an m= line that cannot be read", status=400)
    formats = tuple(found["formats"].split())
    if len(formats) > _MOST_FORMATS:
        raise SdpError(f"a media line has more than {_MOST_FORMATS} formats", status=400)
    line = MediaLine(found["kind"].lower(), int(found["port"]), found["profile"], formats)
    line.connection, line.direction, line.ptime_ms = session.connection, session.direction, session.ptime_ms
    return line


def _take(name: str, value: str, line: MediaLine) -> None:
    if name == "c":
        line.connection = value
    elif name == "a":
        _take_attribute(value, line)


def _take_attribute(text: str, line: MediaLine) -> None:
    name, _, value = text.partition(":")
    value = value.strip()
    match name.strip().lower():
        case "rtpmap":
            if found := _RTPMAP.fullmatch(value):
                line.names[int(found[1])] = (found[2].upper(), int(found[3]))
        case "ptime":
            if value.isdecimal() and 10 <= int(value) <= 200:
                line.ptime_ms = int(value)
        case "crypto":
            crypto = read_crypto(value)
            if crypto is not None and len(line.crypto) < _MOST_KEYS:
                line.crypto.append(crypto)
        case "rtcp-mux":
            line.is_rtcp_mux = True
        case "rtcp":
            port = value.partition(" ")[0]
            line.rtcp_port = int(port) if port.isdecimal() and 0 < int(port) <= 65_535 else None
        case other if other in _DIRECTIONS:
            line.direction = _DIRECTIONS[other]
