"""
RTCP (RFC 3550 section 6): as much as a peer needs to see that we are alive and how much of its audio arrives.

Arrivals are looked at once per 20 ms frame, too coarse to measure jitter: the report says 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203

INTERVAL_FRAMES: Final = 250
"""Five seconds, the least interval that section 6.2 recommends."""

_NTP_EPOCH_S: Final = 2_208_988_800
"""From 1900 to 1970 (section 4)."""

_HEADER: Final = Struct("!BBH")
_SENDER: Final = Struct("!IQIII")
_BLOCK: Final = Struct("!IIIIII")
_SSRC: Final = Struct("!I")
_CNAME: Final = 1


@dataclass(frozen=True, slots=True)
class Sent:
    """What a sender report says about us: RTP time and counts as of ``utc_s`` (seconds since 1970)."""

    ssrc: int
    utc_s: float
    rtp_timestamp: int
    packets: int
    payload_bytes: int


class Reception:
    """
    Counts what arrives of one source by its sequence numbers (RFC 3550 appendix A.3).

    Attributes:
        ssrc: The source; ``None`` before its first packet.
        packets: Arrived, repeated ones included.
        earlier: Packets of the sources before this one.

    """

    def __init__(self) -> None:
        self.ssrc: int | None = None
        self.packets = 0
        self.earlier = 0
        self._highest = 0
        self._base = 0
        self._reported = (0, 0)

    def note(self, ssrc: int, sequence: int) -> None:
        """Count a packet; a new source starts all over."""
        if ssrc != self.ssrc:
            self.ssrc = ssrc
            self.earlier += self.packets
            self.packets = 1
            self._highest = self._base = sequence
            self._reported = (0, 0)
            return
        self.packets += 1
        step = (sequence - self._highest) & 0xFFFF
        if step < 0x8000:
            self._highest += step

    @property
    def lost(self) -> int:
        """Packets that should have come and did not; below zero where some came twice."""
        return self._highest - self._base + 1 - self.packets if self.ssrc is not None else 0

    def block(self) -> bytes:
        """Write the report block (section 6.4.1) and begin the next interval; empty before any packet."""
        if self.ssrc is None:
            return b""
        expected, packets = self._highest - self._base + 1, self.packets
        expected_now, packets_now = expected - self._reported[0], packets - self._reported[1]
        self._reported = (expected, packets)
        lost_now = expected_now - packets_now
        fraction = min(255, (lost_now << 8) // expected_now) if lost_now > 0 < expected_now else 0
        lost = max(-0x800000, min(0x7FFFFF, self.lost)) & 0xFFFFFF
        return _BLOCK.pack(self.ssrc, fraction << 24 | lost, self._highest & 0xFFFFFFFF, 0, 0, 0)


def report(sent: Sent, block: bytes, cname: str) -> bytes:
    """
    Write a compound packet: a sender report (receiver report if nothing was sent) and our name.

    Args:
        sent: About us.
        block: Of ``Reception.block``.
        cname: Our canonical name (section 6.5.1), ASCII; says nothing about the call.

    """
    count = len(block) // _BLOCK.size
    if sent.packets:
        ntp = round((sent.utc_s + _NTP_EPOCH_S) * 2**32) & 0xFFFFFFFFFFFFFFFF
        body = _SENDER.pack(
            sent.ssrc, ntp, sent.rtp_timestamp, sent.packets & 0xFFFFFFFF, sent.payload_bytes & 0xFFFFFFFF
        )
        head = _packet(SENDER_REPORT, count, body + block)
    else:
        head = _packet(RECEIVER_REPORT, count, _SSRC.pack(sent.ssrc) + block)
    name = cname.encode("ascii", "replace")[:255]
    item = _SSRC.pack(sent.ssrc) + bytes((_CNAME, len(name))) + name
    return head + _packet(SOURCE_DESCRIPTION, 1, item + bytes(4 - len(item) % 4))


def goodbye(sent: Sent, block: bytes, cname: str) -> bytes:
    """Write the last compound packet, which says that we leave (section 6.6)."""
    return report(sent, block, cname) + _packet(GOODBYE, 1, _SSRC.pack(sent.ssrc))


def packet_types(data: bytes) -> tuple[int, ...]:
    """Name the packets of a compound by their types; empty for what is no RTCP, cut where it breaks off."""
    found: list[int] = []
    at = 0
    while at + _HEADER.size <= len(data):
        first, kind, words = _HEADER.unpack_from(data, at)
        at += 4 * (words + 1)
        if first >> 6 != 2 or not 192 <= kind <= 223 or at > len(data):
            break
        found.append(kind)
    return tuple(found)


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP on a port they share, by the second byte (RFC 5761 section 4)."""
    return len(data) >= 8 and 192 <= data[1] <= 223


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
