"""
One call's audio over RTP.

There is no task, no timer and no wake-up of the loop per call or packet: the carrier's ticker asks for a
frame every 20 ms, and what has arrived by then is taken from the socket at that moment, where the kernel
has kept it. A flood of packets therefore costs no more than ``_MOST_PER_FRAME`` of them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from bridge.carrier.sip.in_band import ALAW_TO_ULAW, ULAW_TO_ALAW
from bridge.carrier.sip.media_counts import MediaCounts
from bridge.carrier.sip.media_report import Reporting
from bridge.carrier.sip.media_socket import MediaSockets, open_sockets
from bridge.carrier.sip.media_source import Address, Source
from bridge.carrier.sip.port_pool import PortPool
from bridge.carrier.sip.pressed import Pressed
from bridge.carrier.sip.pressing import Pressing
from bridge.clock import Clock
from bridge.sip.hop import bracketed
from bridge.sip.jitter import JitterBuffer
from bridge.sip.rtcp import INTERVAL_FRAMES, is_rtcp
from bridge.sip.rtp import RtpSender, read_packet
from bridge.sip.sdp import EVENT_PAYLOAD_TYPE, AudioMedia, Crypto
from bridge.sip.srtp import SrtpSession
from bridge.sip.telephone_event import DigitReader

_MOST_PER_FRAME: Final = 64
_MOST_BYTES: Final = 2048
_PLAYABLE: Final = {0: None, 8: ALAW_TO_ULAW}
"""Static payload types and how their payload becomes μ-law: a peer may send either of those we offered."""

log = logging.getLogger(__name__)


class CallMedia:
    """
    The audio between one SIP peer and the carrier; opened by ``open``.

    Asked once per 20 ms, in this order: ``digits``, ``speak`` if anybody listens, ``hear``; none raises.

    Args:
        sockets: Ours alone.
        ports: Gets the port back.
        clock: Time.

    Attributes:
        local_port: Our RTP port.

    """

    def __init__(self, sockets: MediaSockets, ports: PortPool, clock: Clock) -> None:
        self.local_port: Final = sockets.port
        self._sockets: Final = sockets
        self._recvfrom: Final = sockets.rtp.recvfrom
        self._sendto: Final = sockets.rtp.sendto
        self._ports: Final = ports
        self._now_s: Final = clock.now_s
        self._counts: Final = MediaCounts()
        self._sender: Final = RtpSender()
        self._buffer: Final = JitterBuffer()
        self._source: Final = Source(clock)
        self._reporting: Final = Reporting(sockets, self._sender, self._source, clock)
        # Spread over the interval, so that calls that began together do not report together.
        self._report_in_frames = INTERVAL_FRAMES // 2 + self._sender.ssrc % (INTERVAL_FRAMES // 2)
        self._is_pressing = False
        self._pressing: Final = Pressing()
        self._reader: Final = DigitReader()
        self._pressed: Final = Pressed(clock)
        self._remote: AudioMedia | None = None
        self._our_key: Crypto | None = None
        self._srtp: SrtpSession | None = None
        self._audio: dict[int, bytes | None] = {}
        self._events: frozenset[int | None] = frozenset()
        self._to_peer: bytes | None = None
        self._is_sending = self._is_hearing = False
        self._is_closed = self._is_polled = self._is_unheard = False

    @classmethod
    async def open(cls, host: str, ports: PortPool, clock: Clock) -> CallMedia:
        """
        Open the sockets at this address of ours, an IP literal.

        Raises:
            SipUnreachable: no port is free there.

        """
        return cls(open_sockets(host, ports, clock.now_s()), ports, clock)

    # What was agreed

    def start(
        self, remote: AudioMedia, our_key: Crypto | None = None, *, nat_host: str | None = None
    ) -> None:
        """
        Let audio flow.

        Args:
            remote: The peer's end, as agreed.
            our_key: Ours, if the audio is encrypted.
            nat_host: Where the peer's signalling comes from, if audio may come from there as well: a phone
                behind a router describes itself by an address that nobody outside can see.

        Raises:
            ValueError: the audio is encrypted, and no key of ours was ever given.

        """
        self.update(remote, our_key, nat_host=nat_host)
        log.debug("audio: %s", self.describe())

    def update(
        self, remote: AudioMedia, our_key: Crypto | None = None, *, nat_host: str | None = None
    ) -> None:
        """Take what was agreed on anew: hold, resume, another address or key; otherwise as ``start``."""
        our_key = our_key or self._our_key
        if not remote.crypto:
            self._srtp = None
        elif our_key is None:
            raise ValueError("the audio is encrypted, but there is no key of ours")
        elif self._srtp is None:
            self._srtp = SrtpSession(our_key, remote.crypto[0])
        else:
            self._srtp.rekey(our_key, remote.crypto[0])
        self._our_key = our_key
        self._remote = remote
        self._audio = {**_PLAYABLE, remote.payload_type: ALAW_TO_ULAW if remote.codec == "PCMA" else None}
        self._events = frozenset({remote.event_payload_type, EVENT_PAYLOAD_TYPE} - self._audio.keys())
        self._to_peer = ULAW_TO_ALAW if remote.codec == "PCMA" else None
        self._is_sending = remote.is_sending
        self._is_hearing = remote.direction in {"sendrecv", "recvonly"}
        self._source.expect(remote, nat_host=nat_host, is_proven=self._srtp is not None)
        self._reporting.agree(remote, self._srtp)

    def describe(self) -> str:
        """Say in one line what flows where, for logs."""
        remote = self._remote
        if remote is None:
            return f"port {self.local_port}, nothing agreed yet"
        secrecy = f"SRTP {remote.crypto[0].suite}" if remote.crypto else "RTP"
        address = self._source.destination
        digits = "digits in band" if remote.event_payload_type is None else "telephone-event"
        return (
            f"{remote.codec} {secrecy} {bracketed(address[0])}:{address[1]} ⇄ port {self.local_port}, "
            f"{remote.direction}, {digits}"
        )

    # Every 20 ms

    def digits(self) -> str:
        """Give the digits pressed since the last call."""
        self._is_unheard |= self._is_polled
        self._is_polled = True
        self._receive()
        return self._pressed.take() if self._pressed.waiting else ""

    def speak(self) -> bytes:
        """Give the next 20 ms the peer says, 160 bytes of μ-law."""
        if not self._is_polled:
            self._receive()
        self._is_polled = False
        if self._is_unheard:
            self._is_unheard = False
            self._buffer.catch_up()
        return self._buffer.pull()

    def hear(self, payload: bytes) -> None:
        """Send the next 20 ms, 160 bytes of μ-law; while the call is held only time goes on."""
        if self._remote is None or self._is_closed:
            return
        sender = self._sender
        self._report_in_frames -= 1
        if self._report_in_frames <= 0:
            self._report_in_frames = INTERVAL_FRAMES
            self._reporting.report()
        if not self._is_sending:
            sender.skip()
            return
        if self._is_pressing:
            self._is_pressing = not self._pressing.is_idle
            digit = self._pressing.packet(sender, self._remote.event_payload_type)
            if digit is not None:
                self._send(digit)
                return
            payload = self._pressing.tone(payload)
        if self._to_peer is not None:
            payload = payload.translate(self._to_peer)
        self._send(sender.audio(self._remote.payload_type, payload))

    def _send(self, packet: bytes | bytearray) -> None:
        try:
            if self._srtp is not None:
                packet = self._srtp.protect(bytes(packet))
            self._sendto(packet, self._source.destination)
        except OSError:  # its buffer is full, or there is no way at the moment
            self._counts.unsent += 1

    def _receive(self) -> None:
        recvfrom = self._recvfrom
        try:
            for _ in range(_MOST_PER_FRAME):
                data, source = recvfrom(_MOST_BYTES)
                self._take(data, source)
        except OSError:  # BlockingIOError: nothing more has arrived
            return

    def _take(self, data: bytes, address: Address) -> None:
        source = self._source
        if address != source.latched and not source.admits(address):
            self._counts.strangers += 1
            return
        if is_rtcp(data):
            self._reporting.take(data)
            return
        if self._srtp is not None:
            plain = self._srtp.unprotect(data)
            if plain is None:
                return
            data = plain
        try:
            number, sequence, rtp_timestamp, ssrc, payload = read_packet(data)
        except ValueError:
            self._counts.malformed += 1
            return
        if number in self._audio:
            if not self._is_hearing:
                self._counts.ignored += 1
                return
            table = self._audio[number]
            self._buffer.push(ssrc, rtp_timestamp, payload if table is None else payload.translate(table))
        elif number in self._events:
            self._pressed.add(self._reader.feed(payload, rtp_timestamp), "event")
        else:
            self._counts.ignored += 1
            return
        self._reporting.reception.note(ssrc, sequence)
        source.heard_s = self._now_s()
        if address != source.latched:
            source.latch(address)

    # Digits

    def press(self, digits: str) -> None:
        """
        Send digits to the peer, as telephone events or else as tones; audio pauses meanwhile.

        Args:
            digits: 0-9, *, #, A-D; ``w`` is half a second of silence, ``W`` a whole.

        Raises:
            ValueError: something in them is no digit, or too many would wait.

        """
        self._pressing.press(digits)
        self._is_pressing = True

    def add_info_digit(self, digit: str) -> None:
        """Take a digit that came as SIP INFO, unless an event has told it; what is none is passed over."""
        self._pressed.add(digit, "info")

    # How it goes

    @property
    def is_held(self) -> bool:
        """Whether audio flows one way only, or none; so it is until the peer has described its side."""
        return self._remote is None or self._remote.direction != "sendrecv"

    def is_silent_since_s(self, now_s: float) -> float:
        """For how long nothing has come from the peer, RTCP included; 0 while the call is held."""
        return 0.0 if self.is_held else self._source.silent_s(now_s)

    @property
    def stats(self) -> MediaCounts:
        """Counts so far, as a copy."""
        jitter, reception = self._buffer.counts, self._reporting.reception
        return replace(
            self._counts,
            sent=self._sender.packets - self._counts.unsent,
            heard=reception.earlier + reception.packets,
            refused=self._srtp.refused if self._srtp is not None else 0,
            lost=max(0, reception.lost),
            late=jitter.late,
            concealed=jitter.concealed,
            left_out=jitter.left_out,
            restarts=jitter.restarts,
        )

    def close(self) -> None:
        """Say goodbye and give the port back; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._remote is not None:
            self._reporting.goodbye()
        self._sockets.close()
        self._ports.release(self.local_port, self._now_s())
