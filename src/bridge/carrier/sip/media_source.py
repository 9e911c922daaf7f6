"""Where a call's audio goes to and may come from: symmetric RTP (RFC 4961), learned once and with care."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from bridge.clock import Clock
from bridge.sip.sdp import AudioMedia

Address = tuple[Any, ...]
"""As sockets have it: host and port, and two more for IPv6."""

_MAY_MOVE_AFTER_S: Final = 2.0
"""A peer that has sent nothing for so long may go on from another port, as after a router's restart."""


class Source:
    """
    The peer's address.

    Before anything has come it is what the session description says. The first packet that is valid and
    comes from an expected host settles the port, because routers change it; from then on other addresses
    are strangers. Packets that are authenticated may come from anywhere: they prove who sent them.

    Attributes:
        destination: Where we send to.
        latched: Where packets come from; ``None`` until the first one.
        heard_s: When something last came of the peer.

    """

    def __init__(self, clock: Clock) -> None:
        self.destination: Address = ("", 0)
        self.latched: Address | None = None
        self._clock: Final = clock
        self._described: tuple[str, int] | None = None
        self._hosts: frozenset[str] = frozenset()
        self._nat_host: str | None = None
        self._is_proven = False
        self.heard_s = clock.now_s()

    def expect(self, remote: AudioMedia, *, nat_host: str | None, is_proven: bool) -> None:
        """
        Take what was agreed on; another address than before has to be learned anew.

        Args:
            remote: The peer's end.
            nat_host: Another host that may send; ``None`` leaves it as it was.
            is_proven: Packets are authenticated.

        """
        self._nat_host = nat_host or self._nat_host
        self._is_proven = is_proven
        self.heard_s = self._clock.now_s()  # a call that is resumed has not been silent
        hosts = {remote.host, self._nat_host} - {None}
        self._hosts = frozenset(host for host in hosts if host and not _is_unspecified(host))
        if self._described != (remote.host, remote.port):
            self._described = self.destination = (remote.host, remote.port)
            self.latched = None

    def admits(self, address: Address) -> bool:
        """Whether a packet from an address that is not latched may be looked at."""
        if self._described is None:
            return False
        if self._is_proven:
            return True
        if address[0] not in self._hosts:
            return False
        return self.latched is None or self._clock.now_s() - self.heard_s > _MAY_MOVE_AFTER_S

    def latch(self, address: Address) -> None:
        """A valid packet came from here: from now on this is the peer, and audio goes there."""
        self.latched = self.destination = address

    def knows(self, address: Address) -> bool:
        """Whether RTCP may come from here: from the peer's hosts, whatever the port."""
        return address[0] in self._hosts or (self.latched is not None and address[0] == self.latched[0])

    def silent_s(self, now_s: float) -> float:
        """For how long nothing has come."""
        return max(0.0, now_s - self.heard_s)


def _is_unspecified(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified
