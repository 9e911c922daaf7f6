"""Ports for peers: blocks of twenty that nobody holds, below those the system gives out by itself."""

from __future__ import annotations

import itertools
import secrets
import socket
from dataclasses import dataclass
from typing import Final

BLOCK: Final = 20
_FIRST: Final = 10_000
_BLOCKS: Final = 900
"""Up to 28000: ours lie below our own media ports (30000) and below Linux's ephemeral ones (32768)."""

_numbers = itertools.count(secrets.randbelow(_BLOCKS))


@dataclass(frozen=True, slots=True)
class Ports:
    """
    What one peer may use, all on 127.0.0.1.

    Attributes:
        sip: SIP over UDP and TCP.
        tls: SIP over TLS; baresip takes the port after its SIP port, asked or not.
        control: TCP, for whoever drives the peer.
        media: The first of those for RTP and RTCP.
        media_last: The last of them.

    """

    sip: int

    @property
    def tls(self) -> int:
        return self.sip + 1

    @property
    def control(self) -> int:
        return self.sip + 2

    @property
    def media(self) -> int:
        return self.sip + 4

    @property
    def media_last(self) -> int:
        return self.sip + BLOCK - 1


def free_ports() -> Ports:
    """Give a block nobody listens in; none is given twice in one run."""
    for number in itertools.islice(_numbers, _BLOCKS):
        first = _FIRST + number % _BLOCKS * BLOCK
        if all(_is_free(port) for port in range(first, first + BLOCK)):
            return Ports(first)
    raise AssertionError("every block of ports is taken")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
