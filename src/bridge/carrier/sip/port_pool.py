"""The UDP ports that calls may use for their audio."""

from __future__ import annotations

from collections import deque
from typing import Final

from bridge.errors import SipUnreachable

REST_S: Final = 5.0


class PortPool:
    """
    Even ports for RTP, each with the odd one above it for RTCP (RFC 3550 section 11).

    A port that was given back rests for a while, so that the last packets of one call do not reach the
    next, and then goes to the end of the queue.

    Args:
        first: Lowest port of the range.
        last: Highest port of the range.
        rest_s: How long a port rests.

    Raises:
        ValueError: there is no even port with a neighbour in the range.

    """

    def __init__(self, first: int, last: int, *, rest_s: float = REST_S) -> None:
        even = range(first + first % 2, last, 2)
        if not (1 <= first <= last <= 65_535) or not even:
            raise ValueError(f"{first}-{last} is no range of UDP ports with two neighbours in it")
        self._rest_s: Final = rest_s
        self._free: Final[deque[int]] = deque(even)
        self._resting: Final[deque[tuple[float, int]]] = deque()
        self._taken: Final[set[int]] = set()

    @property
    def size(self) -> int:
        """How many calls can have a port at once."""
        return len(self._free) + len(self._resting) + len(self._taken)

    def take(self, now_s: float) -> int:
        """
        Give the port that was unused longest.

        Raises:
            SipUnreachable: all are taken or rest.

        """
        while self._resting and self._resting[0][0] <= now_s:
            self._free.append(self._resting.popleft()[1])
        if not self._free:
            raise SipUnreachable("no port is free for the call's audio")
        port = self._free.popleft()
        self._taken.add(port)
        return port

    def release(self, port: int, now_s: float) -> None:
        """Take a port back; one that was not taken, or was given back already, changes nothing."""
        if port in self._taken:
            self._taken.remove(port)
            self._resting.append((now_s + self._rest_s, port))
