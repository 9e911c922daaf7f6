"""The carrier's SIP side as a whole: built from its parts, running beside the exchange."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.sheltered import sheltered
from bridge.carrier.phone.leg import Leg
from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.dialler import Dialler
from bridge.carrier.sip.endpoint import Endpoint
from bridge.carrier.sip.gatekeeper import Gatekeeper
from bridge.carrier.sip.plan import Plan
from bridge.carrier.sip.port_pool import PortPool
from bridge.carrier.sip.reception import CallReception, Receiver
from bridge.carrier.sip.roster import Roster, RosterPhone, RosterTrunk
from bridge.carrier.sip.switchboard import Switchboard
from bridge.carrier.sip.trunk_link import TrunkLink
from bridge.carrier.sip.waiting_callers import WaitingCallers
from bridge.clock import Clock
from bridge.sip.digest import Challenger
from bridge.sip.registrar import Registrar
from bridge.sip.timing import Timing

CHECK_EVERY_S: Final = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SipOptions:
    """
    Where SIP listens and how.

    Attributes:
        host: Address to listen on.
        port: For UDP and TCP; 0 for any.
        tls_port: For TLS; used where there is a certificate.
        server_tls: Our certificate.
        client_tls: How the certificates of others are checked; ``None`` for the system's authorities.
        domain: Our own, the realm of passwords.
        media_ports: First and last RTP port.
        timing: RFC 3261's timers.

    """

    host: str = "127.0.0.1"
    port: int = 5060
    tls_port: int = 5061
    server_tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext | None = None
    domain: str = "localhost"
    media_ports: tuple[int, int] = (30_000, 30_999)
    timing: Timing = field(default_factory=Timing)


class SipService:
    """
    SIP for one exchange.

    Args:
        options: Where it listens.
        plan: Phones, trunks, routes and networks.
        exchange: Runs incoming calls.
        clock: Time.

    """

    def __init__(self, options: SipOptions, plan: Plan, exchange: Receiver, clock: Clock) -> None:
        self._options: Final = options
        self._plan: Final = plan
        self._clock: Final = clock
        self._registrar: Final = Registrar()
        self.endpoint: Final = Endpoint(
            clock=clock, spawn=self._spawn, timing=options.timing, client_tls=options.client_tls
        )
        self._desk: Final = Desk(self.endpoint, PortPool(*options.media_ports), clock)
        waiting = WaitingCallers()
        reception = CallReception(self._desk, waiting, plan, exchange, self._spawn)
        gatekeeper = Gatekeeper(plan, Challenger(options.domain), plan.ha1_of)
        self._switchboard: Final = Switchboard(
            self._desk, waiting, gatekeeper, self._registrar, reception, clock
        )
        self._dialler: Final = Dialler(self._desk, plan, self._registrar, options.domain, clock)
        self._links: Final = [TrunkLink(trunk, self._desk, clock) for trunk in plan.trunks]
        self._group: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while this is open. Raises ``OSError`` where a port is taken."""
        options = self._options
        listening = self.endpoint.running(
            self._switchboard, options.host, options.port, tls_port=options.tls_port, tls=options.server_tls
        )
        async with asyncio.TaskGroup() as group, listening:
            self._group = group
            own = [group.create_task(self._check())]
            own += [group.create_task(link.run()) for link in self._links]
            log.info("SIP on %s: %s", options.host, self.endpoint.sockets.ports)
            try:
                yield
            finally:
                self._group = None
                for call in self._desk.live():
                    _unhindered(call.hang_up_now)
                for task in own:
                    task.cancel()
                for link in self._links:
                    _unhindered(link.depart)

    @property
    def live_calls(self) -> int:
        """How many calls are up."""
        return len(self._desk.live())

    @property
    def live_transactions(self) -> int:
        """How many requests are unsettled, ours and others'."""
        return self.endpoint.live_transactions

    def find_phone(self, call: CarrierCall) -> Leg | None:
        """See ``Dialler``."""
        return self._dialler.find_phone(call)

    def find_elsewhere(self, call: CarrierCall) -> Leg | None:
        """See ``Dialler``."""
        return self._dialler.find_elsewhere(call)

    def roster(self) -> Roster:
        """Who is registered, and which trunks are up."""
        now_s = self._clock.now_s()
        phones = [
            RosterPhone(
                user=user,
                contact=binding.contact,
                transport=binding.hop.transport,
                user_agent=binding.user_agent,
                expires_in_s=round(binding.expires_s - now_s),
            )
            for user, bindings in self._registrar.users(now_s).items()
            for binding in bindings
        ]
        trunks = [RosterTrunk(link.trunk.name, link.state, link.reason) for link in self._links]
        return Roster(tuple(phones), tuple(trunks))

    async def _check(self) -> None:
        while True:
            await self._clock.sleep_until_s(self._clock.now_s() + CHECK_EVERY_S)
            now_s = self._clock.now_s()
            for call in self._desk.live():
                _unhindered(call.check, now_s)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            work.close()
        else:
            self._group.create_task(sheltered(work))


def _unhindered(do: Callable[..., None], *arguments: object) -> None:
    """Do it for one call; a fault of ours in it must not keep the others from theirs."""
    try:
        do(*arguments)
    except Exception:
        log.exception("a call could not be looked after")
