"""Whether a TCP port can be listened on."""

from __future__ import annotations

import socket


def why_not(host: str, port: int) -> str | None:
    """Return why nothing can listen there, as the system puts it, or ``None`` if something can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None
