"""Who hears it ring: callers whose INVITE has no final answer yet."""

from __future__ import annotations

from typing import Final

from bridge.carrier.sip.incoming_leg import IncomingLeg


class WaitingCallers:
    """
    The callers that wait, by the key of their INVITE.

    A CANCEL may come before the call has a leg; then the leg learns of it as soon as there is one.
    """

    def __init__(self) -> None:
        self._legs: Final[dict[str, IncomingLeg | None]] = {}
        self._given_up: Final[set[str]] = set()

    def expect(self, key: str) -> None:
        """Somebody may call, and waits."""
        self._legs[key] = None

    def rings(self, leg: IncomingLeg) -> None:
        """The caller's call has a leg."""
        self._legs[leg.key] = leg
        if leg.key in self._given_up:
            leg.cancelled()

    def cancelled(self, key: str) -> None:
        """The caller gives up."""
        if key in self._legs:
            leg = self._legs[key]
            if leg is not None:
                leg.cancelled()
            else:
                self._given_up.add(key)

    def decided(self, key: str) -> None:
        """The caller waits no more."""
        self._legs.pop(key, None)
        self._given_up.discard(key)
