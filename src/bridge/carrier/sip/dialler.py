"""Which SIP phones an address rings: registered ones, a trunk's, or one anywhere by its SIP address."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sipmessage import URI, Address, Parameters

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.route import LOCAL_HOSTS
from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.invitation import Accepted, Invitee
from bridge.carrier.sip.login import Login
from bridge.carrier.sip.negotiation import Security
from bridge.carrier.sip.outgoing_leg import OutgoingLeg, Target
from bridge.carrier.sip.plan import Plan, Trunk
from bridge.carrier.sip.trunk_link import trunk_login, trunk_uri
from bridge.carrier.webhook.form import API_VERSION, is_number, shown_from
from bridge.clock import Clock
from bridge.masking import mask_number
from bridge.sip.message import new_call_id, new_tag
from bridge.sip.registrar import Registrar

_OURS: Final = frozenset({"region", "edge", "secure"})
"""Parameters of an address that are meant for the carrier and not for the phone."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SipAddress:
    """A ``sip:`` address as the Calls API takes it, taken apart."""

    uri: URI
    is_secure: bool


class Dialler:
    """
    Finds the leg of a placed call.

    Args:
        desk: The SIP port.
        plan: Phones and trunks.
        registrar: Where phones are.
        domain: Our own, in the From of calls.
        clock: Time.

    """

    def __init__(self, desk: Desk, plan: Plan, registrar: Registrar, domain: str, clock: Clock) -> None:
        self._desk: Final = desk
        self._plan: Final = plan
        self._registrar: Final = registrar
        self._domain: Final = domain
        self._clock: Final = clock

    def find_phone(self, call: CarrierCall) -> Leg | None:
        """A leg to one of our own phones; ``None`` where the address is not one's."""
        address = read_address(call.request.to)
        user = self._plan.phone_for(call.request.to)
        if user is None or (address is not None and not self._is_ours(address.uri)):
            return None
        bindings = self._registrar.bindings(user, self._clock.now_s())
        if not bindings:
            log.warning("phone %s is not registered", mask_number(user), extra={"call_sid": call.sid})
        targets = [
            Target(self._invitee(call, URI.parse(binding.contact), self._domain), binding.hop)
            for binding in bindings
        ]
        security: Security = "required" if address is not None and address.is_secure else "off"
        return OutgoingLeg(self._desk, targets, security, on_answer=_note(call))

    def find_elsewhere(self, call: CarrierCall) -> Leg | None:
        """A leg to a number by a trunk, or to a SIP address of somebody else; ``None`` if there is no way."""
        request = call.request
        if is_number(request.to):
            trunk = self._plan.trunk_for(request.to, request.byoc)
            return None if trunk is None else self._by_trunk(call, trunk)
        address = read_address(request.to)
        if address is None or self._is_ours(address.uri):
            return None  # nobody has that name here; calling our own port would only ring ourselves
        invitee = self._invitee(call, address.uri, self._domain, _login(request))
        security: Security = "required" if address.is_secure else "off"
        return OutgoingLeg(self._desk, [Target(invitee)], security, on_answer=_note(call))

    def _is_ours(self, uri: URI) -> bool:
        """Whether an address is one of our own users; with another port it is some other program's."""
        if uri.host.lower() not in {*LOCAL_HOSTS, self._domain.lower()}:
            return False
        return uri.port is None or uri.port in self._desk.endpoint.sockets.ports.values()

    def _by_trunk(self, call: CarrierCall, trunk: Trunk) -> Leg:
        caller = trunk.shown(shown_from(call))
        if caller != shown_from(call):
            call.warn(None, f"trunk {trunk.name} does not carry the caller ID asked for; its first is used")
        uri = trunk_uri(trunk, call.request.to)
        host = uri.host if trunk.username else self._domain
        invitee = self._invitee(call, uri, host, trunk_login(trunk), caller=caller)
        security: Security = "required" if trunk.secure_media else "off"
        return OutgoingLeg(self._desk, [Target(invitee)], security, on_answer=_note(call))

    def _invitee(
        self,
        call: CarrierCall,
        uri: URI,
        host: str,
        login: Login | None = None,
        *,
        caller: str | None = None,
    ) -> Invitee:
        user = _user_of(caller or shown_from(call))
        from_ = Address(
            uri=URI(scheme="sip", user=user or None, host=host), parameters=Parameters(tag=new_tag())
        )
        side = call.request.sip
        headers = (
            ("X-Twilio-AccountSid", call.account_sid),
            ("X-Twilio-ApiVersion", API_VERSION),
            ("X-Twilio-CallSid", call.sid),
            *call.request.sip_headers,
        )
        return Invitee(uri, from_, side.call_id if side else new_call_id(), headers, login)


def _note(call: CarrierCall) -> Callable[[Accepted], None]:
    """Have the webhooks tell who answered: ``SipSourceIp`` and the ``SipHeader_`` of the 200."""

    def note(accepted: Accepted) -> None:
        if call.request.sip is not None:
            side = replace(call.request.sip, source_ip=accepted.source_host, headers=accepted.headers)
            call.request = replace(call.request, sip=side)

    return note


def read_address(address: str) -> SipAddress | None:
    """Take a ``sip:`` address apart; ``None`` where it is none, or cannot be read."""
    if not address.lower().startswith(("sip:", "sips:")):
        return None
    try:
        uri = URI.parse(address.partition("?")[0])
    except (ValueError, TypeError):  # the library trips over a parameter named self
        return None
    is_secure = uri.scheme == "sips" or (uri.parameters.get("secure") or "").lower() == "true"
    kept = {name: value for name, value in uri.parameters.items() if name.lower() not in _OURS}
    if is_secure:
        kept["transport"] = "tls"
    uri = URI(scheme="sip", user=uri.user, host=uri.host, port=uri.port, parameters=Parameters(**kept))
    return SipAddress(uri, is_secure)


def _user_of(from_: str) -> str:
    """The user part of the caller: of a number, a ``client:`` name or a SIP address."""
    address = read_address(from_)
    if address is not None:
        return address.uri.user or ""
    return from_.removeprefix("client:")


def _login(request: CallRequest) -> Login | None:
    given = request.sip_login
    return None if given is None else Login(given.username, given.password)
