"""One connection of a SIP port."""

from __future__ import annotations

import asyncio
import logging
from typing import Final, Protocol

from bridge.errors import MalformedSip
from bridge.sip.framing import Framing
from bridge.sip.hop import Hop

MOST_UNSENT_BYTES: Final = 256 * 1024
"""A peer that does not read loses its connection here."""

log = logging.getLogger(__name__)


class FlowOwner(Protocol):
    """Who is told what happens on a connection; the sockets."""

    def opened(self, flow: Flow) -> int:
        """Number a new connection; one that is not to be is aborted."""
        ...

    def received(self, data: bytes, hop: Hop) -> None:
        """A whole message came."""
        ...

    def ended(self, flow: Flow) -> None:
        """It is over."""
        ...


class Flow(asyncio.Protocol):
    """
    One TCP or TLS connection.

    Args:
        owner: Numbers it, takes what comes, and is told its end.
        transport: ``tcp`` or ``tls``.
        name: Whom we have connected to; empty where the peer came to us.

    Attributes:
        is_proven: Somebody we know speaks on it: it does not give way to strangers.
        over: Set when it has ended.

    """

    def __init__(self, owner: FlowOwner, transport: str, name: str = "") -> None:
        self.transport: Final = transport
        self.name: Final = name
        self.number = 0
        self.host, self.port = "", 0
        self.last_heard_s = 0.0
        self.over: Final = asyncio.Event()
        self.is_proven = bool(name)
        self._owner: Final = owner
        self._framing = Framing()
        self._writer: asyncio.Transport | None = None

    @property
    def hop(self) -> Hop:
        """Where its messages come from."""
        return Hop("tls" if self.transport == "tls" else "tcp", self.host, self.port, self.number)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._writer = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.host, self.port = peer[0], peer[1]
        self.last_heard_s = asyncio.get_running_loop().time()
        self.number = self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        self.last_heard_s = asyncio.get_running_loop().time()
        pings = self._framing.pings
        try:
            messages = self._framing.feed(data)
        except MalformedSip as error:
            log.warning("a %s connection from %s is closed: %s", self.transport, self.host, error)
            self.abort()
            return
        for _ in range(min(self._framing.pings - pings, 8)):
            self.send(b"\r\n")  # RFC 5626 section 3.5.1: the pong
        for message in messages:
            self._owner.received(message, self.hop)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        self.over.set()
        self._owner.ended(self)

    def send(self, data: bytes) -> None:
        """Send; a peer that does not read loses its connection."""
        if self._writer is None or self._writer.is_closing():
            return
        self._writer.write(data)
        if self._writer.get_write_buffer_size() > MOST_UNSENT_BYTES:
            log.warning("a %s connection to %s is closed: the peer does not read", self.transport, self.host)
            self.abort()

    def abort(self) -> None:
        """End it at once, whatever is still to be sent."""
        if self._writer is not None:
            self._writer.abort()

    def close(self) -> None:
        """End it."""
        if self._writer is not None:
            self._writer.close()
