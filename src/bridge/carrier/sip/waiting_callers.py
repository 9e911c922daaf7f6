"""Who hears it ring: callers whose INVITE has no final answer yet."""

from __future__ import annotations

from typing import Final

from sipmessage import Request

from bridge.carrier.sip.incoming_leg import IncomingLeg
from bridge.sip.dialog import address_tag


class WaitingCallers:
    """
    The callers that wait, by the key of their INVITE.

    One call may come by several ways, where a proxy has forked it; only the first is taken.
    A CANCEL may come before the call has a leg; then the leg learns of it as soon as there is one.
    """

    def __init__(self) -> None:
        self._legs: Final[dict[str, IncomingLeg | None]] = {}
        self._given_up: Final[set[str]] = set()
        self._calls: Final[dict[tuple[str, str, int], str]] = {}

    def expect(self, key: str, invite: Request) -> bool:
        """Somebody may call, and waits; false if the same call waits already."""
        call = invite.call_id, address_tag(invite.from_address), invite.cseq.sequence
        if call in self._calls:
            return False
        self._calls[call] = key
        self._legs[key] = None
        return True

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
        for call in [call for call, waiting in self._calls.items() if waiting == key]:
            del self._calls[call]
