"""What peers ask of the SIP port, sorted: calls, requests inside calls, registrations, signs of life."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from sipmessage import Request

from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.endpoint import ALLOW
from bridge.carrier.sip.gatekeeper import Gatekeeper
from bridge.carrier.sip.waiting_callers import WaitingCallers
from bridge.clock import Clock
from bridge.masking import mask_number
from bridge.sip.dialog import address_tag
from bridge.sip.hop import Hop
from bridge.sip.registrar import Registrar

log = logging.getLogger(__name__)


class Reception(Protocol):
    """Who takes the calls in."""

    def invited(self, key: str, invite: Request, hop: Hop, caller: str) -> None:
        """A call of somebody who may call; ``caller`` is whom they proved to be, if anybody."""
        ...


class Switchboard:
    """
    Implements ``endpoint.Callee``.

    Args:
        desk: The live calls.
        waiting: Those that ring.
        gatekeeper: Says who may call and register.
        registrar: Knows where phones are.
        reception: Takes new calls.
        clock: Time.

    """

    def __init__(
        self,
        desk: Desk,
        waiting: WaitingCallers,
        gatekeeper: Gatekeeper,
        registrar: Registrar,
        reception: Reception,
        clock: Clock,
    ) -> None:
        self._desk: Final = desk
        self._waiting: Final = waiting
        self._gatekeeper: Final = gatekeeper
        self._registrar: Final = registrar
        self._reception: Final = reception
        self._clock: Final = clock

    # Callee

    def incoming(self, key: str, request: Request, hop: Hop) -> None:
        required = request.require
        if required:
            # Nothing that may be required is spoken here (RFC 3261 section 8.2.2.3).
            self._respond(key, request, 420, [("Unsupported", ", ".join(required)[:200])])
            return
        if address_tag(request.to_address):
            call = self._desk.find(request)
            if call is None:
                self._respond(key, request, 481)
            else:
                call.request(key, request, hop)
            return
        match request.method:
            case "INVITE":
                self._invite(key, request, hop)
            case "REGISTER":
                self._register(key, request, hop)
            case "OPTIONS":
                headers = (("Allow", ALLOW), ("Accept", "application/sdp"))
                self._desk.endpoint.refuse(key, request, 200, headers)  # it is told once, and nothing is kept
            case "BYE" | "INFO" | "UPDATE" | "PRACK" | "CANCEL":
                self._respond(key, request, 481)
            case _:
                self._respond(key, request, 405, [("Allow", ALLOW)])

    def cancelled(self, key: str) -> None:
        self._waiting.cancelled(key)

    def acked(self, request: Request) -> None:
        call = self._desk.find(request)
        if call is not None:
            call.acked(request)

    def unacked(self, key: str) -> None:
        for call in self._desk.live():
            if call.awaits(key):
                call.unacked()

    def flow_lost(self, hop: Hop) -> None:
        if hop.flow is not None:
            self._registrar.drop_flow(hop.flow)

    def _invite(self, key: str, request: Request, hop: Hop) -> None:
        decision = self._gatekeeper.judge_call(request, hop, self._clock.now_s())
        if decision.status != 0:
            log.log(
                # Being asked for a password is how every call of a phone begins.
                logging.DEBUG if decision.status in (401, 407) else logging.WARNING,
                "a call from %s to %s is refused with %d: %s",
                hop.host,
                mask_number(request.uri.user or ""),
                decision.status,
                decision.reason,
            )
            self._desk.endpoint.refuse(key, request, decision.status, decision.headers)
            return
        if self._desk.has(request) or not self._waiting.expect(key, request):
            self._desk.endpoint.refuse(
                key, request, 482
            )  # it came by another way too (RFC 3261 section 8.2.2.2)
            return
        self._desk.endpoint.sockets.trust(hop)
        self._reception.invited(key, request, hop, decision.caller)

    def _register(self, key: str, request: Request, hop: Hop) -> None:
        now_s = self._clock.now_s()
        decision = self._gatekeeper.judge_registration(request, hop, now_s)
        if decision.status != 0:
            self._desk.endpoint.refuse(key, request, decision.status, decision.headers)
            return
        self._desk.endpoint.sockets.trust(hop)
        response = self._registrar.register(decision.caller, request, source=hop, now_s=now_s)
        self._desk.endpoint.send_response(key, response)

    def _respond(
        self, key: str, request: Request, code: int, headers: list[tuple[str, str]] | None = None
    ) -> None:
        # Whoever is refused here belongs to no call: nothing is kept of him (RFC 3261 section 26.3.2.4).
        self._desk.endpoint.refuse(key, request, code, headers or ())
