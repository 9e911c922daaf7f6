"""From an INVITE to a call on the exchange, routed by what was dialled."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from sipmessage import Request

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.incoming import IncomingLeg as CallerLeg
from bridge.carrier.call.request import CallRequest, SipSide
from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.handed_on import own_headers
from bridge.carrier.sip.incoming_leg import IncomingLeg
from bridge.carrier.sip.negotiation import Negotiation, Security
from bridge.carrier.sip.plan import Plan, Route, document_of
from bridge.carrier.sip.sockets import Spawn
from bridge.carrier.sip.waiting_callers import WaitingCallers
from bridge.carrier.webhook.form import is_number
from bridge.errors import CarrierRefused, SdpError, SipUnreachable
from bridge.masking import mask_number
from bridge.sip.hop import Hop
from bridge.sip.message import new_tag

log = logging.getLogger(__name__)


class Receiver(Protocol):
    """The exchange."""

    async def receive(self, request: CallRequest, leg: CallerLeg) -> CarrierCall:
        """Run a call that a phone makes. Raises ``CarrierRefused``."""
        ...


class CallReception:
    """
    Takes new calls; implements ``switchboard.Reception``.

    Args:
        desk: The live calls.
        waiting: Those that ring.
        plan: Which webhook a dialled user or number belongs to.
        exchange: Runs calls.
        spawn: Starts the task that is a call's life.

    """

    def __init__(
        self, desk: Desk, waiting: WaitingCallers, plan: Plan, exchange: Receiver, spawn: Spawn
    ) -> None:
        self._desk: Final = desk
        self._waiting: Final = waiting
        self._plan: Final = plan
        self._exchange: Final = exchange
        self._spawn: Final = spawn

    def invited(self, key: str, invite: Request, hop: Hop, caller: str) -> None:
        route = self._plan.route_for(invite.uri.user or "")
        if route is None:
            log.warning(
                "a call from %s: nobody is at %s; [[routes]] in bridge.toml says who is",
                hop.host,
                mask_number(invite.uri.user or ""),
            )
            self._waiting.decided(key)
            self._desk.endpoint.refuse(key, invite, 404)
            return
        self._spawn(self._take(key, invite, hop, route, caller))

    async def _take(self, key: str, invite: Request, hop: Hop, route: Route, caller: str) -> None:
        """Run one call; whatever happens, its INVITE gets a final answer."""
        status = 500  # a fault of ours, unless something better is known
        leg = None
        try:
            leg = await self._leg(key, invite, hop)
            self._waiting.rings(leg)
            leg.ring()
            await self._exchange.receive(self._request(invite, hop, route, caller), leg)
        except SdpError as error:
            log.warning("a call from %s: its offer does not fit: %s", hop.host, error)
            status = error.status
        except (SipUnreachable, CarrierRefused) as error:
            log.warning("a call from %s cannot be taken: %s", hop.host, error)
            status = 503
        finally:
            self._waiting.decided(key)
            if leg is None:
                self._refuse(key, invite, status)
            else:
                await leg.refused(status)  # if nobody has decided

    async def _leg(self, key: str, invite: Request, hop: Hop) -> IncomingLeg:
        host, _ = self._desk.endpoint.sockets.address_toward(hop)
        media = await self._desk.open_media(host)
        trunk = self._plan.trunk_at(hop.host)
        security: Security = "required" if trunk is not None and trunk.secure_media else "optional"
        return IncomingLeg(self._desk, key, invite, hop, media, Negotiation(host, media.local_port, security))

    def _request(self, invite: Request, hop: Hop, route: Route, caller: str) -> CallRequest:
        dialled, from_ = invite.uri, invite.from_address.uri
        is_trunk = self._plan.trunk_at(hop.host) is not None
        user = caller or from_.user or "anonymous"
        return CallRequest(
            to=_address(dialled.user or "", dialled.host, as_number=is_trunk),
            from_=_address(user, from_.host, as_number=is_trunk),
            document=document_of(route),
            sip=SipSide(
                domain=dialled.host, call_id=invite.call_id, source_ip=hop.host, headers=own_headers(invite)
            ),
        )

    def _refuse(self, key: str, invite: Request, status: int) -> None:
        self._desk.endpoint.respond(key, invite, status, to_tag=new_tag())


def _address(user: str, host: str, *, as_number: bool) -> str:
    """A trunk's ends are numbers, everybody else's are SIP addresses, as with Twilio."""
    number = user if user.startswith("+") else f"+{user}"
    if as_number and is_number(number):
        return number
    return f"sip:{user}@{host}" if user else f"sip:{host}"
