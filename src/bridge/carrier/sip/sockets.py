"""
Where SIP messages come in and go out: one UDP socket, TCP and TLS listeners, and their connections.

A connection is a flow: it has a number, and answers and later requests go back by it as long as it is open,
because a phone behind a router cannot be connected to (RFC 3261 section 18, RFC 5626 section 5).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from bridge.carrier.sip.flow import MOST_UNSENT_BYTES, Flow
from bridge.carrier.sip.flow_table import FlowTable
from bridge.carrier.sip.local_address import LocalAddress, literal_address
from bridge.carrier.sip.socket_faults import cannot_listen, refusal
from bridge.sip.hop import Hop

_HANDSHAKE_TIMEOUT_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 8.0
_MOST_REFUSALS: Final = 100
"""Failed connections whose reason is kept; the oldest is forgotten for a new one."""
_PORT_TRIES: Final = 10
"""How many free TCP ports are tried until UDP is free on one of them too."""

log = logging.getLogger(__name__)

Receive = Callable[[bytes, Hop], None]
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Sockets:
    """
    All sockets of one SIP port.

    Args:
        receive: Takes each whole message and where it came from.
        lost: Is told when nothing can be sent to a hop, or its connection has ended.
        spawn: Starts a task that its owner keeps.
        client_tls: How TLS connections of ours check their peer; ``None`` for the system's authorities.

    """

    def __init__(
        self,
        receive: Receive,
        lost: Callable[[Hop], None],
        *,
        spawn: Spawn,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        self._receive: Final = receive
        self._lost: Final = lost
        self._spawn: Final = spawn
        self._client_tls: Final = client_tls
        self._local = LocalAddress("127.0.0.1")
        self._udp: asyncio.DatagramTransport | None = None
        self._servers: list[asyncio.Server] = []
        self._flows: Final = FlowTable()
        self._connecting: dict[Hop, list[bytes]] = {}
        self._refusals: dict[Hop, str] = {}
        self.ports: dict[str, int] = {}

    async def open(
        self, host: str, port: int, *, tls_port: int | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """
        Listen. Port 0 takes any free one, the same for UDP and TCP.

        Raises:
            OSError: a port is taken; the message names it and its setting, and nothing is left open.

        """
        try:
            host = await literal_address(host)
        except OSError as error:
            raise cannot_listen(error, host, port, "BRIDGE_SIP_HOST") from error
        self._local = LocalAddress(host)
        for tries_left in reversed(range(_PORT_TRIES if port == 0 else 1)):
            try:
                self.ports = await self._open_pair(host, port)
                break
            except OSError as error:
                if tries_left == 0 or error.errno != errno.EADDRINUSE:
                    raise cannot_listen(error, host, port, "BRIDGE_SIP_PORT") from error
        if tls is not None and tls_port is not None:
            try:
                self.ports["tls"] = await self._listen("tls", host, tls_port, tls)
            except OSError as error:
                self.close()
                raise cannot_listen(error, host, tls_port, "BRIDGE_SIP_TLS_PORT") from error

    async def _open_pair(self, host: str, port: int) -> dict[str, int]:
        """Open TCP, then UDP on the port it got: with port 0 somebody else may hold that one for UDP."""
        port = await self._listen("tcp", host, port)
        try:
            self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: _Udp(self), local_addr=(host, port)
            )
        except OSError:
            self._servers.pop().close()
            raise
        return {"udp": port, "tcp": port}

    async def _listen(self, transport: str, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        server = await asyncio.get_running_loop().create_server(
            lambda: Flow(self, transport),
            host,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else _HANDSHAKE_TIMEOUT_S,
        )
        self._servers.append(server)
        listening: int = server.sockets[0].getsockname()[1]
        return listening

    def close(self) -> None:
        """Stop listening and end every connection."""
        for server in self._servers:
            server.close()
        if self._udp is not None:
            self._udp.close()
        for flow in self._flows:
            flow.close()

    def address_toward(self, hop: Hop) -> tuple[str, int]:
        """Our address and port as that peer reaches them."""
        return self._local.toward(hop.host), self.ports.get(hop.transport, self.ports.get("tcp", 5060))

    def send(self, data: bytes, hop: Hop) -> None:
        """Send one message; over TCP and TLS by the open flow, else by a new connection."""
        if hop.transport == "udp":
            if self._udp is not None and not self._udp.is_closing():
                self._udp.sendto(data, (hop.host, hop.port))
            return
        flow = self._flow_to(hop)
        if flow is not None:
            flow.send(data)
            return
        target = replace(hop, flow=None)
        waiting = self._connecting.get(target)
        if waiting is None:
            self._connecting[target] = [data]
            self._spawn(self._connect(target))
        elif sum(map(len, waiting)) < MOST_UNSENT_BYTES:
            waiting.append(data)

    def why_not(self, hop: Hop) -> str:
        """Why the latest attempt to connect there failed; empty where it did not, or was long ago."""
        return self._refusals.get(hop, "")

    async def until_ended(self, hop: Hop) -> None:
        """Return once the connection that requests to a hop go by has ended; at once if there is none."""
        flow = self._flow_to(hop)
        if flow is not None:
            await flow.over.wait()

    def _flow_to(self, hop: Hop) -> Flow | None:
        own = self._flows.get(hop.flow)
        if own is not None:
            return own
        for flow in self._flows:
            is_there = (flow.transport, flow.host, flow.port) == (hop.transport, hop.host, hop.port)
            # What another name's certificate was checked for proves nothing about this one.
            if is_there and flow.name in (hop.name or hop.host, ""):
                return flow
        return None

    async def _connect(self, hop: Hop) -> None:
        self._refusals.pop(hop, None)
        tls = None
        if hop.transport == "tls":
            tls = self._client_tls or ssl.create_default_context()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, flow = await asyncio.get_running_loop().create_connection(
                    lambda: Flow(self, hop.transport, hop.name or hop.host),
                    hop.host,
                    hop.port,
                    ssl=tls,
                    server_hostname=None if tls is None else hop.name or hop.host,
                )
        except (OSError, TimeoutError, ValueError, OverflowError) as error:
            reason = refusal(error, _CONNECT_TIMEOUT_S)
            log.warning("no %s connection to %s: %s", hop.transport, hop.host, reason)
            if len(self._refusals) >= _MOST_REFUSALS:
                del self._refusals[next(iter(self._refusals))]
            self._refusals[hop] = reason
            del self._connecting[hop]
            self._lost(hop)
            return
        for data in self._connecting.pop(hop):
            flow.send(data)

    # What the sockets tell

    def received(self, data: bytes, hop: Hop) -> None:
        """Pass a whole message on; a fault of ours in it must not end its connection."""
        try:
            self._receive(data, hop)
        except Exception:
            log.exception("taking a SIP message failed")

    def opened(self, flow: Flow) -> int:
        """Number a new connection; where there are too many, one goes."""
        flow.number, leaving = self._flows.add(flow)
        if leaving is not None:
            # Aborted and forgotten now: a peer that does not read would never be gone.
            self.ended(leaving)
            leaving.abort()
        return flow.number

    def ended(self, flow: Flow) -> None:
        """Forget a connection."""
        if self._flows.remove(flow):
            self._lost(flow.hop)

    def trust(self, hop: Hop) -> None:
        """Somebody we know speaks from there; a connection of his does not give way to strangers."""
        flow = self._flows.get(hop.flow)
        if flow is not None:
            flow.is_proven = True


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        if data.strip(b"\r\n\x00"):  # anything else keeps a router's mapping open
            self._sockets.received(data, Hop("udp", address[0], address[1]))

    def error_received(self, exc: Exception) -> None:
        # An ICMP error does not say which message it answers; the transaction's timer decides.
        log.debug("SIP over UDP: %s", exc)
