"""The two UDP sockets of one call's audio: RTP on an even port, RTCP on the one above it."""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from typing import Final, NamedTuple

from bridge.carrier.sip.port_pool import PortPool
from bridge.errors import SipUnreachable

_MOST_TRIES: Final = 32
_EXPEDITED: Final = 46 << 2
"""The class of service of voice (RFC 3246), for networks that look at it."""

log = logging.getLogger(__name__)


class MediaSockets(NamedTuple):
    """Open sockets that never block, and the RTP port."""

    rtp: socket.socket
    rtcp: socket.socket
    port: int

    def close(self) -> None:
        """Close both."""
        self.rtp.close()
        self.rtcp.close()


def open_sockets(host: str, ports: PortPool, now_s: float) -> MediaSockets:
    """
    Bind both sockets to the next ports that nobody else holds.

    Args:
        host: Address to bind, an IP literal.
        ports: Where the port comes from, and goes back to.
        now_s: Time of the ports' rest.

    Raises:
        SipUnreachable: no port is free, or the address is not ours.

    """
    fault = "no port is free for the call's audio"
    for _ in range(min(_MOST_TRIES, ports.size)):
        port = ports.take(now_s)
        try:
            rtp = _bind(host, port)
        except OSError as error:
            fault = f"port {port} cannot be used for a call's audio: {error.strerror}"
            ports.release(port, now_s)  # another program has it: try again later
            continue
        try:
            return MediaSockets(rtp, _bind(host, port + 1), port)
        except OSError as error:
            fault = f"port {port + 1} cannot be used for a call's audio: {error.strerror}"
            rtp.close()
            ports.release(port, now_s)
    raise SipUnreachable(fault)


def _bind(host: str, port: int) -> socket.socket:
    is_six = ":" in host
    opened = socket.socket(socket.AF_INET6 if is_six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        with suppress(OSError):
            if is_six:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED)
            else:
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened
