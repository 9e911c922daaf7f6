"""Where a SIP message goes to, or came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Hop:
    """
    The next stop of a message.

    Attributes:
        transport: How it travels.
        host: An IP literal (IPv6 without brackets) or a name that is still to be looked up.
        port: 1–65535.
        flow: Number of the open connection to use, for ``tcp`` and ``tls`` (RFC 5626 calls it a flow);
            ``None`` where any, or a new one, will do.
        name: What the certificate of a ``tls`` peer must be for, where it is not ``host``.

    """

    transport: Transport
    host: str
    port: int
    flow: int | None = None
    name: str = ""

    @property
    def is_reliable(self) -> bool:
        """Whether the transport repeats what is lost, so that we need not (RFC 3261 section 17)."""
        return self.transport != "udp"

    def meets(self, other: Hop) -> bool:
        """Whether both name the same far end; an unknown flow fits every flow there."""
        if (self.transport, self.host, self.port) != (other.transport, other.host, other.port):
            return False
        return self.flow == other.flow or self.flow is None or other.flow is None

    def __str__(self) -> str:
        """Return e.g. ``udp 192.0.2.1:5060``, for logs."""
        return f"{self.transport} {bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """Write a host as URIs and Via have it: an IPv6 literal in brackets (RFC 3261 section 25.1)."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
