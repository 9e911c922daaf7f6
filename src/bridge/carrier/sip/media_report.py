"""RTCP of one call: a report every five seconds, a goodbye, and the peer's reports as signs of life."""

from __future__ import annotations

from typing import Final

from bridge.carrier.sip.media_socket import MediaSockets
from bridge.carrier.sip.media_source import Address, Source
from bridge.clock import Clock
from bridge.sip import rtcp
from bridge.sip.rtp import RtpSender
from bridge.sip.sdp import AudioMedia
from bridge.sip.srtp import SrtpSession

_MOST_PER_REPORT: Final = 32
_MOST_BYTES: Final = 2048


class Reporting:
    """
    Sends what ``bridge.sip.rtcp`` writes, and looks at what comes when it does so.

    Attributes:
        reception: Counts what arrives of the peer's audio.

    """

    def __init__(self, sockets: MediaSockets, sender: RtpSender, source: Source, clock: Clock) -> None:
        self.reception: Final = rtcp.Reception()
        self._sockets: Final = sockets
        self._sender: Final = sender
        self._source: Final = source
        self._clock: Final = clock
        self._name: Final = f"{sender.ssrc:08x}@bridge.invalid"  # random, and new for each call (RFC 7022)
        self._remote: AudioMedia | None = None
        self._srtp: SrtpSession | None = None

    def agree(self, remote: AudioMedia, srtp: SrtpSession | None) -> None:
        """Take where reports go, and how they are encrypted."""
        self._remote = remote
        self._srtp = srtp

    def report(self) -> None:
        """Take what the peer has reported, and report; due every ``rtcp.INTERVAL_FRAMES``."""
        self._receive()
        self._send(rtcp.report(self._sent(), self.reception.block(), self._name))

    def goodbye(self) -> None:
        """Send the last report."""
        self._send(rtcp.goodbye(self._sent(), self.reception.block(), self._name))

    def take(self, data: bytes) -> None:
        """Take RTCP of the peer's: whatever it says, the peer lives."""
        if self._srtp is not None:
            plain = self._srtp.unprotect_rtcp(data)
            if plain is None:
                return
            data = plain
        if rtcp.packet_types(data):
            self._source.heard_s = self._clock.now_s()

    def _receive(self) -> None:
        try:
            for _ in range(_MOST_PER_REPORT):
                data, address = self._sockets.rtcp.recvfrom(_MOST_BYTES)
                if self._source.knows(address):
                    self.take(data)
        except OSError:  # nothing more has arrived
            return

    def _sent(self) -> rtcp.Sent:
        sender = self._sender
        now = self._clock.utc().timestamp()
        return rtcp.Sent(sender.ssrc, now, sender.rtp_timestamp, sender.packets, sender.payload_bytes)

    def _send(self, data: bytes) -> None:
        remote, address = self._remote, self._address()
        if remote is None or address is None:
            return
        if self._srtp is not None:
            data = self._srtp.protect_rtcp(data)
        try:
            (self._sockets.rtp if remote.rtcp_mux else self._sockets.rtcp).sendto(data, address)
        except OSError:  # a report that is lost does no harm
            return

    def _address(self) -> Address | None:
        """Where reports go; behind a router, the port next to where audio comes from is a guess."""
        remote, destination = self._remote, self._source.destination
        if remote is None or not remote.is_sending:
            return None  # nothing may be sent, or nowhere to
        if remote.rtcp_mux:
            return destination
        if destination[:2] == (remote.host, remote.port):
            return remote.host, remote.rtcp_port
        return destination[0], min(destination[1] + 1, 65_535)
