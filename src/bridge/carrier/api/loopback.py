"""Who asks from this very machine."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from fastapi import Request

_FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(request: Request) -> bool:
    """
    Whether only a program of this machine can have made the request.

    The peer is loopback and calls us by a local name (a page whose name was pointed at 127.0.0.1 does not),
    no browser sends it for a page, and nothing stands between that would make a stranger look local.
    """
    headers = request.headers
    if any(name in headers for name in (*_FORWARDING, "origin")):
        return False
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return False
    host = headers.get("host", "").lower()
    if host not in _NAMES and host.rpartition(":")[0] not in _NAMES:
        return False
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
