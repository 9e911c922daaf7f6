"""Whether a port can be listened on."""

from __future__ import annotations

import socket
from typing import Literal

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def why_not(host: str, port: int, transport: Literal["tcp", "udp"] = "tcp") -> str | None:
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
