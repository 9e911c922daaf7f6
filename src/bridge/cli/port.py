"""Whether a port can be listened on."""

from __future__ import annotations

import socket
from typing import Literal

from bridge.errors import ConfigurationError

Transport = Literal["tcp", "udp"]

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def why_not(host: str, port: int, transport: Transport = "tcp") -> str | None:
    """Return why nothing can listen there, as the system puts it, or ``None`` if something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=_KINDS[transport])[0]
        with socket.socket(family, kind, protocol) as probe:
            if transport == "tcp":  # for UDP it would let two programs share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_free(what: str, host: str, port: int, choose: str, *more: Transport) -> None:
    """
    Make sure that a port can be listened on.

    Args:
        what: What it is for; the message begins with it.
        host: Where.
        port: Which; 0 takes any free one.
        choose: How another is chosen.
        more: What it must be free for besides TCP.

    Raises:
        ConfigurationError: It is not free; the message says why and what to do.

    """
    transports: tuple[Transport, ...] = ("tcp", *more)
    for transport in transports if port else ():
        if reason := why_not(host, port, transport):
            use = "used for UDP" if transport == "udp" else "used"
            raise ConfigurationError(
                f"{what} {port} on {host} cannot be {use}: {reason}. "
                f"Stop what listens there, or choose another with {choose}."
            )
