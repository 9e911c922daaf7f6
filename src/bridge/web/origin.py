"""Where a request came from, and what the outside world calls this server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

FORWARDING: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "via",
)
"""Any of these means that something stands between the client and us, a tunnel for instance."""

_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def is_true_loopback(connection: HTTPConnection) -> bool:
    """
    Whether a request can only have been made by a program on this machine, on purpose.

    The peer is loopback, ``Host`` is local (no DNS rebinding), nothing was forwarded (no tunnel), and a
    browser sends it from a local page only (a foreign page's request carries its own ``Origin``).
    """
    if connection.client is None or not _is_loopback(connection.client.host):
        return False
    headers = connection.headers
    if any(name in headers for name in FORWARDING):
        return False
    if _host_name(headers.get("host", "")) not in _LOCAL_NAMES:
        return False
    if headers.get("sec-fetch-site", "none") == "cross-site":
        return False  # an image or a form of a foreign page sends no Origin with a GET, but this
    origin = headers.get("origin")
    return origin is None or _host_name(origin.partition("://")[2]) in _LOCAL_NAMES


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; empty if it is malformed."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """
    How Twilio reaches this server.

    Attributes:
        configured: ``BRIDGE_PUBLIC_URL`` without a trailing slash; wins over everything.
        trusted_proxies: Networks whose forwarding headers are believed.

    """

    configured: str | None = None
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = field(default=())

    def base(self, connection: HTTPConnection) -> str:
        """The ``http(s)://host[:port][/prefix]`` the peer used to reach us, without a trailing slash."""
        if self.configured:
            return self.configured
        scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
        host = connection.headers.get("host") or connection.url.netloc
        if self._is_trusted(connection):
            # The nearest proxy writes last; further ones, or the client itself, may have invented theirs.
            scheme = _last(connection, "x-forwarded-proto") or scheme
            host = _last(connection, "x-forwarded-host") or host
        return f"{scheme}://{host}{connection.scope.get('root_path', '')}".rstrip("/")

    def url(self, connection: HTTPConnection, path: str) -> str:
        """An absolute URL of ours for Twilio."""
        return self.base(connection) + path

    def socket_url(self, connection: HTTPConnection, path: str) -> str:
        """The same for a WebSocket: ``wss``, or ``ws`` where we are reached by plain HTTP."""
        return socket_scheme(self.base(connection)) + path

    def seen_url(self, connection: HTTPConnection) -> str:
        """The URL the peer must have used for this very request, its query byte for byte."""
        raw_path = connection.scope.get("raw_path") or connection.url.path.encode()
        path = raw_path.partition(b"?")[0].decode("latin-1")
        query = connection.scope.get("query_string", b"").decode("latin-1")
        base = self.base(connection)
        if connection.scope["type"] == "websocket":
            base = socket_scheme(base)
        return f"{base}{path}{'?' + query if query else ''}"

    def _is_trusted(self, connection: HTTPConnection) -> bool:
        if connection.client is None:
            return False
        try:
            address = ip_address(connection.client.host)
        except ValueError:
            return False
        return any(address in network for network in self.trusted_proxies)


def socket_scheme(base: str) -> str:
    """``https`` becomes ``wss``, ``http`` becomes ``ws``."""
    return "ws" + base.removeprefix("http")


def _last(connection: HTTPConnection, name: str) -> str:
    return connection.headers.get(name, "").rpartition(",")[2].strip()
