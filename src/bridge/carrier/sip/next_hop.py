"""From a SIP address to where its messages go: RFC 3263 without its SRV records."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import replace

from sipmessage import URI

from bridge.errors import SipUnreachable
from bridge.sip.hop import Hop


async def find_hop(uri: URI, *, default_transport: str = "udp") -> Hop:
    """
    Say where a URI's messages go.

    Raises:
        SipUnreachable: the name has no address, or the transport is not known here.

    """
    hop = literal_hop(uri, default_transport=default_transport)
    if hop is None:
        named = _hop(uri, default_transport)
        hop = replace(named, host=await _look_up(named.host, named.port), name=named.host)
    return hop


def literal_hop(uri: URI, *, default_transport: str = "udp") -> Hop | None:
    """
    Say where a URI's messages go if it holds an address and no name; ``None`` otherwise.

    Raises:
        SipUnreachable: the transport is not known here.

    """
    hop = _hop(uri, default_transport)
    try:
        ipaddress.ip_address(hop.host)
    except ValueError:
        return None
    return hop


def _hop(uri: URI, default_transport: str) -> Hop:
    transport = (uri.parameters.get("transport") or default_transport).lower()
    if uri.scheme == "sips":
        transport = "tls"
    if transport not in {"udp", "tcp", "tls"}:
        raise SipUnreachable(f"transport={transport[:20]} is not spoken here: use udp, tcp or tls")
    port = uri.port or (5061 if transport == "tls" else 5060)
    if not 0 < port < 65_536:
        raise SipUnreachable(f"{port} is no port")
    return Hop(transport, uri.host.strip("[]"), port)  # type: ignore[arg-type]


async def _look_up(host: str, port: int) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:  # the latter for what can be no name
        raise SipUnreachable(f"{host[:80]}: {getattr(error, 'strerror', None) or 'no such name'}") from error
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)  # IPv4 first: that is what phones here have
    address: str = found[0][4][0]  # type: ignore[assignment]
    return address
