"""Which of our addresses a peer reaches us by: what Via, Contact and the SDP have to say."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final

_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  (compared with, not bound to)
_MOST_REMEMBERED: Final = 1_000


class LocalAddress:
    """
    Our side of the way to a peer.

    Args:
        bound: The address that is listened on; of "any" address the kernel's route decides.

    """

    def __init__(self, bound: str) -> None:
        self._bound: Final = bound
        self._known: dict[str, str] = {}

    def toward(self, host: str) -> str:
        """Our address as that peer sees it; ``host`` is an IP address."""
        if self._bound not in _ANY:
            return self._bound
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            known = self._known[host] = _route(host)
        return known


def _route(host: str) -> str:
    """Ask the kernel which address it would send from; connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


async def literal_address(host: str) -> str:
    """
    The address behind a host of ours: Contact and SDP name numbers, and so does whoever compares.

    Raises:
        OSError: nobody knows the name.

    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        return str(found[0][4][0])
