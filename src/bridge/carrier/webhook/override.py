"""
How one webhook URL wants to be fetched: time-outs and retries, set in its fragment.

``https://app.example/voice#ct=2000&rc=2&rp=5xx,rt`` waits two seconds for the connection and tries up to
three times when the answer is a 5xx or does not come. Source:
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

HARD_LIMIT_MS: Final = 15_000
"""Requests of a call take no longer than this, whatever the URL says."""

_RANGES: Final = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}
_POLICIES: Final = frozenset({"4xx", "5xx", "ct", "rt", "all"})
_IGNORED: Final = frozenset({"sni", "e"})  # TLS server name and edge location: nothing to choose here


@dataclass(frozen=True, slots=True)
class ConnectionOverrides:
    """
    The rules for one URL.

    Attributes:
        connect_ms: ``ct``: longest wait for TCP and TLS.
        read_ms: ``rt``: longest wait for the answer, and between its pieces.
        total_ms: ``tt``: longest time for all attempts together.
        retries: ``rc``: further attempts after the first.
        policies: ``rp``: what is tried again: ``4xx``, ``5xx``, ``ct``, ``rt`` or ``all``.

    """

    connect_ms: int = 5_000
    read_ms: int = 15_000
    total_ms: int = HARD_LIMIT_MS
    retries: int = 1
    policies: frozenset[str] = frozenset({"ct"})

    def retries_on(self, policy: str) -> bool:
        """Whether this kind of failure is tried again."""
        return policy in self.policies or "all" in self.policies


_DEFAULTS: Final = ConnectionOverrides()
_NAMES: Final = {"ct": "connect_ms", "rt": "read_ms", "tt": "total_ms", "rc": "retries"}


def read_overrides(fragment: str, warn: Callable[[str], None]) -> ConnectionOverrides:
    """
    Read a fragment.

    Args:
        fragment: What follows ``#``; empty for the defaults.
        warn: Told of each value that cannot be used; the default then holds.

    """
    numbers: dict[str, int] = {}
    policies = _DEFAULTS.policies
    for key, value in parse_qsl(fragment, keep_blank_values=True):
        if key in _RANGES:
            low, high = _RANGES[key]
            if value.isascii() and value.isdigit() and low <= int(value) <= high:
                numbers[_NAMES[key]] = int(value)
            else:
                warn(f"connection override {key}={value[:40]!r} is not a number from {low} to {high}")
        elif key == "rp":
            policies = frozenset(value.split(","))
            if not policies <= _POLICIES:
                warn(f"connection override rp={value[:40]!r}: known are {', '.join(sorted(_POLICIES))}")
                policies = policies & _POLICIES
        elif key not in _IGNORED:
            warn(f"connection override {key[:40]!r} is unknown")
    return ConnectionOverrides(policies=policies, **numbers)
