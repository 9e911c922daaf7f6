"""What all SIP calls of one port share: the endpoint, the media ports, and the table of dialogs."""

from __future__ import annotations

from typing import Final

from sipmessage import Request

from bridge.carrier.sip.endpoint import Endpoint
from bridge.carrier.sip.media import CallMedia
from bridge.carrier.sip.port_pool import PortPool
from bridge.carrier.sip.sip_call import SipCall
from bridge.clock import Clock
from bridge.sip.dialog import address_tag


class Desk:
    """
    The live calls of one SIP port.

    Args:
        endpoint: Sends and receives.
        ports: Gives RTP ports.
        clock: Time.

    """

    def __init__(self, endpoint: Endpoint, ports: PortPool, clock: Clock) -> None:
        self.endpoint: Final = endpoint
        self._ports: Final = ports
        self._clock: Final = clock
        self._calls: dict[tuple[str, str], SipCall] = {}

    async def open_media(self, host: str) -> CallMedia:
        """Open the RTP socket of one call. Raises ``SipUnreachable`` if no port is free."""
        return await CallMedia.open(host, self._ports, self._clock)

    def remember(self, call: SipCall) -> None:
        """Have the requests of this call's dialog reach it."""
        self._calls[call.dialog.call_id, call.dialog.local_tag] = call

    def forget(self, call: SipCall) -> None:
        """It is over."""
        self._calls.pop((call.dialog.call_id, call.dialog.local_tag), None)

    def find(self, request: Request) -> SipCall | None:
        """The call a request inside a dialog belongs to: all three of its marks (RFC 3261 section 12.2.2)."""
        call = self._calls.get((request.call_id, address_tag(request.to_address)))
        # Two phones may answer one call of ours: the goodbye of the one must not end the call with the other.
        return (
            call if call is not None and call.dialog.remote_tag == address_tag(request.from_address) else None
        )

    def has(self, invite: Request) -> bool:
        """Whether this call is up already: it came by another way before (RFC 3261 section 8.2.2.2)."""
        peer = invite.call_id, address_tag(invite.from_address)
        return any((call.dialog.call_id, call.dialog.remote_tag) == peer for call in self._calls.values())

    def live(self) -> list[SipCall]:
        """All calls."""
        return list(self._calls.values())
