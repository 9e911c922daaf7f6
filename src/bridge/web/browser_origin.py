"""WebSockets from web pages: a browser opens them to any server, so we look where the page came from."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from bridge.web.problem import Problem

_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def check_origin(connection: HTTPConnection) -> None:
    """
    Let programs through (they send no ``Origin``), and pages that this very server's address served.

    CORS does not apply to WebSockets: without this any page that the user visits could open one of ours
    (RFC 6455 section 10.2).

    Raises:
        Problem: 403 ``foreign_origin``.

    """
    origin = connection.headers.get("origin")
    if origin is None:
        return
    if _address(origin) == _host(connection.headers.get("host", ""), origin.partition("://")[0]):
        return
    raise Problem(
        403,
        "foreign_origin",
        "A page of another site may not open this socket.",
        hint="Serve the page from this server's own address, or connect from a program.",
    )


def _address(origin: str) -> str | None:
    """``host[:port]`` of an Origin; ``None`` for ``null`` and for what is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return _host(parts.netloc, parts.scheme) if parts.scheme in _DEFAULT_PORTS and parts.netloc else None


def _host(host: str, scheme: str) -> str:
    """Write a host as browsers do: in lower case, without its scheme's own port."""
    return host.lower().removesuffix(_DEFAULT_PORTS.get(scheme.lower(), ":80"))
