"""Slows whoever keeps sending wrong passwords, without memory that an attacker could fill."""

from __future__ import annotations

import math
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final

_MAX_USER_CHARACTERS: Final = 64


@dataclass(slots=True)
class _Tally:
    failures: int = 0
    failed_s: float = -math.inf
    free_again_s: float = -math.inf


class Brake:
    """
    Counts failures, per user at one address and per address.

    Who has failed too often waits, twice as long each time. The count of one user at one address ends with a
    success; the address's own ends with time alone, or one known password would be a licence to guess others.
    Failures from elsewhere never slow a user: anybody could lock anybody out.

    Judge first, ask here with the name it claims, and refuse while there is a wait, whatever the verdict: a
    right guess must look like a wrong one. Only verdicts without a wait are counted.

    Args:
        free: Failures of one user at one address before waiting begins.
        free_of_address: The same for all users of an address together: an office may share one.
        first_wait_s: The first wait.
        longest_wait_s: Where doubling ends. A tally is forgotten after twice that time without a failure.
        most: Tallies kept; beyond it the one longest untouched is forgotten.

    """

    def __init__(
        self,
        *,
        free: int = 5,
        free_of_address: int = 25,
        first_wait_s: float = 2.0,
        longest_wait_s: float = 300.0,
        most: int = 10_000,
    ) -> None:
        self._free: Final = free
        self._free_of_address: Final = free_of_address
        self._first_wait_s: Final = first_wait_s
        self._longest_wait_s: Final = longest_wait_s
        self._most: Final = most
        self._tallies: dict[tuple[str, str | None], _Tally] = {}

    def __len__(self) -> int:
        """How many tallies are kept."""
        return len(self._tallies)

    def failed(self, source: str, user: str | None, now_s: float) -> None:
        """
        Count a failure.

        Args:
            source: The peer's address, without port. An IPv6 one counts for its whole /64, which is one
                customer's.
            user: Who it claimed to be; ``None`` if nobody could be made out.
            now_s: Monotonic seconds.

        """
        address = network_of(source)
        self._forget_old(now_s)
        if user is not None:
            failures = self._count((address, user[:_MAX_USER_CHARACTERS]), self._free, now_s)
            if failures > self._free:
                return  # slowed by itself: one phone with an old password must not lock its whole office out
        self._count((address, None), self._free_of_address, now_s)

    def ok(self, source: str, user: str) -> None:
        """Forget the failures of a user at an address, who now has the password right."""
        self._tallies.pop((network_of(source), user[:_MAX_USER_CHARACTERS]), None)

    def wait_s(self, source: str, user: str | None, now_s: float) -> float:
        """Say how long a request is still to be refused unread, for ``Retry-After``; 0 if it is not."""
        address = network_of(source)
        keys: list[tuple[str, str | None]] = [(address, None)]
        if user is not None:
            keys.append((address, user[:_MAX_USER_CHARACTERS]))
        return max(0.0, *(self._free_again_s(key) - now_s for key in keys))

    def _free_again_s(self, key: tuple[str, str | None]) -> float:
        tally = self._tallies.get(key)
        return tally.free_again_s if tally else -math.inf

    def _count(self, key: tuple[str, str | None], free: int, now_s: float) -> int:
        tally = self._tallies.pop(key, None) or _Tally()
        tally.failures += 1
        tally.failed_s = now_s
        if tally.failures >= free:
            doublings = min(tally.failures - free, 30)
            tally.free_again_s = now_s + min(self._longest_wait_s, self._first_wait_s * 2**doublings)
        self._tallies[key] = tally  # at the end: the order is that of the last failure
        if len(self._tallies) > self._most:
            del self._tallies[next(iter(self._tallies))]
        return tally.failures

    def _forget_old(self, now_s: float) -> None:
        before_s = now_s - 2 * self._longest_wait_s
        while self._tallies:
            key, tally = next(iter(self._tallies.items()))
            if tally.failed_s >= before_s:
                break
            del self._tallies[key]


def network_of(source: str) -> str:
    """Whose an address is: itself for IPv4, the /64 for IPv6; what is no address stands for itself."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return source[:_MAX_USER_CHARACTERS]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return address.packed[:8].hex()
