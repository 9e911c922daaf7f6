"""
Offers and answers of one audio stream (RFC 3264): G.711 of both laws, digits, and SRTP where both want it.

Everything else an offer may hold (video, a second audio line, DTLS) is refused line by line and does not
keep the call from being taken.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from bridge.errors import SdpError
from bridge.sip.crypto import Crypto, new_crypto
from bridge.sip.sdp_read import Codec, Direction, MediaLine, SessionDescription, read

__all__ = [
    "AudioMedia",
    "Codec",
    "Crypto",
    "Direction",
    "SessionDescription",
    "answer",
    "chosen_key",
    "new_crypto",
    "offer",
    "read",
    "read_answer",
]

Security = Literal["off", "optional", "required"]

EVENT_PAYLOAD_TYPE: Final = 101
"""What everybody takes for ``telephone-event``, and what our offers therefore say."""

_PLAIN: Final = ("RTP/AVP", "RTP/AVPF")
_SECURE: Final = ("RTP/SAVP", "RTP/SAVPF")
_PTIME_MS: Final = 20

_MIRRORED: Final[dict[Direction, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
"""What one side does is what the other side does not (RFC 3264 section 6.1)."""


@dataclass(frozen=True, slots=True)
class AudioMedia:
    """
    The peer's end of the audio, as agreed.

    Attributes:
        host: IP address to send to; ``0.0.0.0`` or ``::`` where nothing may be sent.
        port: RTP port to send to.
        payload_type: Of the audio.
        codec: What the payload type stands for.
        event_payload_type: Of digits; ``None`` if the peer does not take them in RTP.
        direction: What **we** do: ``sendonly`` means that only we send.
        profile: As in the media line.
        ptime_ms: What the peer likes to get in a packet; a wish (RFC 4566 section 6).
        crypto: The peer's key, exactly one; empty where the audio is not encrypted.
        rtcp_mux: RTCP goes to the RTP port.
        rtcp_port: Where RTCP goes.

    """

    host: str
    port: int
    payload_type: int
    codec: Codec
    event_payload_type: int | None
    direction: Direction
    profile: str
    ptime_ms: int
    crypto: tuple[Crypto, ...]
    rtcp_mux: bool
    rtcp_port: int

    @property
    def is_sending(self) -> bool:
        """Whether we may send: the direction says so, and there is an address to send to."""
        return (
            self.direction in {"sendrecv", "sendonly"} and not ipaddress.ip_address(self.host).is_unspecified
        )


def chosen_key(keys: Sequence[Crypto], remote: AudioMedia) -> Crypto | None:
    """Give the one of our offered keys that the answer took; ``None`` where nothing is encrypted."""
    return next((key for key in keys for theirs in remote.crypto if key.tag == theirs.tag), None)


def offer(
    *,
    host: str,
    port: int,
    session_id: int,
    version: int,
    secure: bool,
    keys: Sequence[Crypto] = (),
    direction: Direction = "sendrecv",
) -> bytes:
    """
    Describe what we can do.

    Args:
        host: Our address, an IP literal.
        port: Our RTP port.
        session_id: The same for all descriptions of a call.
        version: Goes up by one with each (RFC 3264 section 8).
        secure: SRTP or nothing.
        keys: Ours, at least one where ``secure``.
        direction: What we want to do.

    """
    types = [("0", "PCMU/8000"), ("8", "PCMA/8000"), (str(EVENT_PAYLOAD_TYPE), "telephone-event/8000")]
    profile = "RTP/SAVP" if secure else "RTP/AVP"
    lines = [
        *_head(host, session_id, version),
        f"m=audio {port} {profile} {' '.join(number for number, _ in types)}",
        *(f"a=rtpmap:{number} {name}" for number, name in types),
        f"a=fmtp:{EVENT_PAYLOAD_TYPE} 0-15",
        f"a=ptime:{_PTIME_MS}",
        f"a={direction}",
        *(key.line for key in keys if secure),
    ]
    return _body(lines)


def answer(
    description: SessionDescription,
    *,
    host: str,
    port: int,
    session_id: int,
    version: int,
    security: Security,
    new_key: Callable[[str], Crypto],
    direction: Direction = "sendrecv",
) -> tuple[bytes, AudioMedia]:
    """
    Answer an offer: take the first audio line that fits, refuse all other lines with port 0.

    Args:
        description: The offer.
        host: Our address, an IP literal.
        port: Our RTP port.
        session_id: The same for all descriptions of a call.
        version: Goes up by one with each.
        security: ``optional`` takes SRTP wherever it is offered, and prefers a line that has it.
        new_key: Gives our key for a suite; its tag is replaced by that of the line taken.
        direction: What we want to do at most; the offer may leave us less, as when it holds the call.

    Returns:
        The answer, and the peer's end of the audio.

    Raises:
        SdpError: 488, nothing in the offer fits.

    """
    index, agreed = _choose(description, host, security)
    if direction != "sendrecv":
        agreed = replace(agreed, direction=_both(direction, agreed.direction))
    lines = [*_head(host, session_id, version)]
    for number, line in enumerate(description.media):
        if number != index:
            # RFC 3264 section 6: the same media, transport and a format, with port zero.
            lines.append(f"m={line.kind} 0 {line.profile} {' '.join(line.formats) or '0'}")
            continue
        types = [(str(agreed.payload_type), f"{agreed.codec}/8000")]
        if agreed.event_payload_type is not None:
            types.append((str(agreed.event_payload_type), "telephone-event/8000"))
        lines += [
            f"m=audio {port} {line.profile} {' '.join(number for number, _ in types)}",
            *(f"a=rtpmap:{number} {name}" for number, name in types),
            *(f"a=fmtp:{number} 0-15" for number, name in types if name.startswith("telephone")),
            f"a=ptime:{_PTIME_MS}",
            f"a={agreed.direction}",
            *(["a=rtcp-mux"] if agreed.rtcp_mux else []),
            *(replace(new_key(theirs.suite), tag=theirs.tag).line for theirs in agreed.crypto),
        ]
    return _body(lines), agreed


def read_answer(offered: bytes, answered: bytes) -> AudioMedia:
    """
    Read the answer to one of our own offers.

    Raises:
        SdpError: it refuses the audio, takes what was not offered, or cannot be read.

    """
    ours = read(offered)
    theirs = read(answered)
    for mine, line in zip(ours.media, theirs.media, strict=False):
        if mine.kind != "audio" or line.kind != "audio" or not line.port:
            continue
        crypto: tuple[Crypto, ...] = ()
        if mine.profile in _SECURE:
            offers = {(key.tag, key.suite) for key in mine.crypto}
            crypto = tuple(key for key in line.crypto if (key.tag, key.suite) in offers)[:1]
            if line.profile not in _SECURE or not crypto:
                raise SdpError("the answer takes none of the keys that were offered")
        elif line.profile not in _PLAIN:
            raise SdpError("the answer has another transport than the offer")
        agreed = _agree(line, crypto)
        return replace(agreed, direction=_both(mine.direction, agreed.direction))
    raise SdpError("the answer refuses the audio")


def _choose(description: SessionDescription, host: str, security: Security) -> tuple[int, AudioMedia]:
    found: list[tuple[int, AudioMedia]] = []
    fault = "the offer has no audio"
    for index, line in enumerate(description.media):
        if line.kind != "audio" or not line.port:
            continue
        # A key in a line of the plain profile is an offer too, made by phones that take either.
        keys = tuple(line.crypto)[:1] if security != "off" else ()
        if line.profile not in _PLAIN + _SECURE:
            fault = "the audio is offered over a transport that is not supported"
        elif line.profile in _SECURE and not keys:
            fault = "the offer wants SRTP, which cannot be agreed on"
        elif security == "required" and not keys:
            fault = "SRTP is required here"
        else:
            try:
                agreed = _agree(line, keys)
                _compare_families(host, agreed.host)
                found.append((index, agreed))
            except SdpError as error:
                fault = str(error)
    if not found:
        raise SdpError(fault)
    return next(((index, agreed) for index, agreed in found if agreed.crypto), found[0])


def _agree(line: MediaLine, crypto: tuple[Crypto, ...]) -> AudioMedia:
    codec = line.codec()
    if codec is None:
        raise SdpError("neither PCMU nor PCMA is offered")
    host = line.host()
    direction = _MIRRORED[line.direction]
    if ipaddress.ip_address(host).is_unspecified:
        # Hold as before RFC 3264 (its section 8.4): nothing may be sent.
        direction = _both(direction, "recvonly")
    number, name = codec
    return AudioMedia(
        host=host,
        port=line.port,
        payload_type=number,
        codec=name,
        event_payload_type=line.event_payload_type(),
        direction=direction,
        profile=line.profile,
        ptime_ms=line.ptime_ms,
        crypto=crypto,
        rtcp_mux=line.is_rtcp_mux,
        rtcp_port=line.port if line.is_rtcp_mux else line.rtcp_port or min(line.port + 1, 65_535),
    )


def _both(one: Direction, other: Direction) -> Direction:
    """Do what both allow."""
    sends = {one, other} <= {"sendrecv", "sendonly"}
    hears = {one, other} <= {"sendrecv", "recvonly"}
    if sends:
        return "sendrecv" if hears else "sendonly"
    return "recvonly" if hears else "inactive"


def _compare_families(host: str, other: str) -> None:
    if ipaddress.ip_address(host).version != ipaddress.ip_address(other).version:
        raise SdpError("the audio is offered over the other version of IP")


def _head(host: str, session_id: int, version: int) -> Iterator[str]:
    address = f"IN IP{ipaddress.ip_address(host).version} {host}"
    yield from ("v=0", f"o=- {session_id} {version} {address}", "s=-", f"c={address}", "t=0 0")


def _body(lines: Sequence[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()
