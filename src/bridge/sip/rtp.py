"""
RTP packets and the numbering of what we send (RFC 3550 section 5, RFC 3551).

Fifty packets a second pass here each way in every call: the usual packet (no extension, no padding, no
contributing sources) is read and written with one ``struct`` each.
"""

from __future__ import annotations

import secrets
from struct import Struct
from typing import Final, NamedTuple

FRAME_SAMPLES: Final = 160
"""20 ms at 8000 Hz, which is 160 bytes of either law."""

HEADER_BYTES: Final = 12

_HEADER: Final = Struct("!BBHII")
_NUMBERS: Final = Struct("!BBHI")
_EXTENSION: Final = Struct("!HH")
_SSRC: Final = Struct("!I")
_VERSION_2: Final = 0x80
_MARKER: Final = 0x80


def read_packet(data: bytes) -> tuple[int, int, int, int, bytes]:
    """
    Read a packet without making an object of it.

    Returns:
        Payload type, sequence, RTP timestamp, SSRC and payload, as ``RtpPacket`` has them.

    Raises:
        ValueError: it is none, or ends before what its header announces.

    """
    if len(data) < HEADER_BYTES:
        raise ValueError("shorter than the header of RTP")
    first, second, sequence, rtp_timestamp, ssrc = _HEADER.unpack_from(data)
    payload = data[HEADER_BYTES:] if first == _VERSION_2 else _payload(first, data)
    return second & 0x7F, sequence, rtp_timestamp, ssrc, payload


class RtpPacket(NamedTuple):
    """
    One packet.

    Attributes:
        payload_type: 0–127.
        marker: For audio: first packet after a silence (RFC 3551 section 4.1).
        sequence: 0–65,535.
        rtp_timestamp: In samples, 32 bits.
        ssrc: Who sent it.
        payload: Without padding.

    """

    payload_type: int
    marker: bool
    sequence: int
    rtp_timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """
        Read a packet.

        Raises:
            ValueError: it is none, or ends before what its header announces.

        """
        number, sequence, rtp_timestamp, ssrc, payload = read_packet(data)
        return cls(number, data[1] >= _MARKER, sequence, rtp_timestamp, ssrc, payload)

    def build(self) -> bytes:
        """Write the packet, without extension and padding."""
        second = self.payload_type | (_MARKER if self.marker else 0)
        header = _HEADER.pack(_VERSION_2, second, self.sequence, self.rtp_timestamp, self.ssrc)
        return header + self.payload


def _payload(first: int, data: bytes) -> bytes:
    """Find the payload of a packet that has more than the usual header."""
    if first >> 6 != 2:
        raise ValueError("not version 2 of RTP")
    start = HEADER_BYTES + 4 * (first & 0x0F)  # the contributing sources
    if first & 0x10:
        if len(data) < start + 4:
            raise ValueError("ends before its header extension")
        start += 4 + 4 * _EXTENSION.unpack_from(data, start)[1]
    end = len(data)
    if first & 0x20:
        end -= data[-1]
        if data[-1] == 0:
            raise ValueError("padding of no bytes, which must count itself")
    if start > end:
        raise ValueError("ends before what its header announces")
    return data[start:end]


class RtpSender:
    """
    Numbers what we send: one source, one sequence, one time line of samples.

    The sequence starts at random in the lower half, so that the first packets cannot be lost across its
    turn, which SRTP could not follow (RFC 3711 section 3.3.1).

    Attributes:
        ssrc: Our source.
        sequence: Of the next packet.
        rtp_timestamp: Of the next frame.
        packets: Sent so far.
        payload_bytes: Sent so far, headers not counted.

    """

    def __init__(self) -> None:
        self.ssrc: Final = secrets.randbits(32)
        self.sequence = secrets.randbits(15)
        self.rtp_timestamp = secrets.randbits(32)
        self.packets = 0
        self.payload_bytes = 0
        self._paused = True  # the first packet has the marker
        self._frame: Final = bytearray(HEADER_BYTES + FRAME_SAMPLES)
        _SSRC.pack_into(self._frame, 8, self.ssrc)

    def audio(self, payload_type: int, payload: bytes) -> bytearray:
        """
        Write the packet of one frame.

        Args:
            payload_type: Of the codec.
            payload: 160 bytes.

        Returns:
            The packet; the same buffer each time, so it is to be sent before the next call.

        """
        frame = self._frame
        if self._paused:
            self._paused = False
            payload_type |= _MARKER
        _NUMBERS.pack_into(frame, 0, _VERSION_2, payload_type, self.sequence, self.rtp_timestamp)
        frame[HEADER_BYTES:] = payload
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.rtp_timestamp = (self.rtp_timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        self.packets += 1
        self.payload_bytes += FRAME_SAMPLES
        return frame

    def event(self, payload_type: int, payload: bytes, *, marker: bool, rtp_timestamp: int) -> bytes:
        """Write a packet of a telephone event, which keeps the time it began at; a frame goes by."""
        packet = RtpPacket(payload_type, marker, self.sequence, rtp_timestamp, self.ssrc, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.packets += 1
        self.payload_bytes += len(payload)
        self.skip()
        return packet.build()

    def skip(self) -> None:
        """Let 20 ms pass without audio: time goes on, numbers do not."""
        self.rtp_timestamp = (self.rtp_timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        self._paused = True
