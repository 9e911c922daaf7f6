"""One trunk: registered with where it wants that, else asked now and then whether it is there."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

from sipmessage import URI, Address, CSeq, Request, Response

from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.login import Login, can_be_answered
from bridge.carrier.sip.next_hop import find_hop
from bridge.carrier.sip.plan import Trunk
from bridge.clock import Clock
from bridge.errors import SipUnreachable
from bridge.sip.dialog import MAX_FORWARDS
from bridge.sip.hop import Hop, bracketed
from bridge.sip.message import new_call_id, new_tag

EXPIRES_S: Final = 3600
ASK_EVERY_S: Final = 60.0
"""How often a trunk without registration is sent OPTIONS."""
_FIRST_BACK_OFF_S: Final = 2.0
_MOST_BACK_OFF_S: Final = 300.0
_PING_UDP_EVERY_S: Final = 25.0
_PING_TCP_EVERY_S: Final = 90.0
_STEADY_S: Final = 60.0
"""A connection that lasted this long was no failed attempt: a proxy closes what is quiet for some minutes."""

log = logging.getLogger(__name__)


class TrunkLink:
    """
    Keeps one trunk up.

    Attributes:
        trunk: What is configured.
        state: ``starting``, ``registered``, ``reachable`` or ``failed``.
        reason: Why it failed.

    """

    def __init__(self, trunk: Trunk, desk: Desk, clock: Clock) -> None:
        self.trunk: Final = trunk
        self.state = "starting"
        self.reason = ""
        self._desk: Final = desk
        self._clock: Final = clock
        self._call_id: Final = new_call_id()
        self._tag: Final = new_tag()
        self._sequence = 0
        self._expires_s = EXPIRES_S
        self._hop: Hop | None = None
        self._challenge: Response | None = None

    @property
    def uri(self) -> URI:
        """The trunk's own address."""
        return trunk_uri(self.trunk)

    @property
    def login(self) -> Login | None:
        """Our credentials there."""
        return trunk_login(self.trunk)

    async def run(self) -> None:
        """Keep it up until cancelled."""
        back_off_s = _FIRST_BACK_OFF_S
        while True:
            since_s = self._clock.now_s()
            wait_s = await self._try()
            if wait_s and await self._lasts(wait_s):
                back_off_s = _FIRST_BACK_OFF_S
                continue
            if self._clock.now_s() - since_s >= _STEADY_S:
                back_off_s = _FIRST_BACK_OFF_S
            await self._sleep(back_off_s)
            back_off_s = min(back_off_s * 2, _MOST_BACK_OFF_S)

    async def _try(self) -> float:
        """Register or ask once; gives the seconds until it is due again, 0 where it failed."""
        try:
            hop = self._hop = await find_hop(self.uri)
            return await self._register(hop) if self.trunk.register else await self._ask(hop)
        except SipUnreachable as error:
            self._failed(str(error))
        except Exception as error:
            log.exception("trunk %s: its answer made us fail", self.trunk.name)
            self._failed(type(error).__name__)
        return 0.0

    async def _lasts(self, wait_s: float) -> bool:
        """
        Wait until it is due again; false where the connection we registered by has ended before.

        Calls to us may have no other way, and a proxy that was restarted may have forgotten us
        (RFC 5626 section 4.5: a failed flow is replaced, after a pause).
        """
        hop = self._hop
        if hop is None or not self.trunk.register:
            await self._sleep(wait_s)
            return True
        if not hop.is_reliable:
            await self._stay(wait_s, hop)
            return True
        async with asyncio.TaskGroup() as group:
            due = group.create_task(self._stay(wait_s, hop))
            ended = group.create_task(self._desk.endpoint.sockets.until_ended(hop))
            await asyncio.wait((due, ended), return_when=asyncio.FIRST_COMPLETED)
            is_due = due.done()
            due.cancel()
            ended.cancel()
        return is_due

    async def _stay(self, wait_s: float, hop: Hop) -> None:
        """Wait, and let no router in between forget the way to us (RFC 5626 sections 3.5.1 and 4.4.1)."""
        due_s = self._clock.now_s() + wait_s
        every_s = _PING_TCP_EVERY_S if hop.is_reliable else _PING_UDP_EVERY_S
        while due_s - self._clock.now_s() > every_s:
            await self._sleep(every_s)
            self._desk.endpoint.sockets.send(b"\r\n\r\n", hop)
        await self._clock.sleep_until_s(due_s)

    async def _sleep(self, seconds: float) -> None:
        await self._clock.sleep_until_s(self._clock.now_s() + seconds)

    def depart(self) -> None:
        """
        Take the registration back, as far as one message does (RFC 3261 section 10.2.2).

        It answers the latest challenge once more (section 22.3), because we shall not be there for a new one.
        """
        if self.state == "registered" and self._hop is not None:
            self._expires_s = 0
            request = self._build("REGISTER", self._hop)
            if self.login is not None and self._challenge is not None:
                self.login.answer(request, self._challenge, count=2)
            self._desk.endpoint.request(request, self._hop, lambda _: None)

    async def _register(self, hop: Hop) -> float:
        response = await self._transact(self._build("REGISTER", hop), hop)
        if response is not None and response.code == 423:
            self._expires_s = min(max(_min_expires_s(response), 60), 86_400)
            response = await self._transact(self._build("REGISTER", hop), hop)
        if response is None or response.code != 200:
            self._failed(self._refusal(response, hop))
            return 0.0
        if self.state != "registered":
            log.info("trunk %s: registered", self.trunk.name)
        self.state, self.reason = "registered", ""
        granted_s = self._granted_s(response)
        return max(granted_s * 0.8, min(granted_s - 5.0, 30.0), 10.0)

    async def _ask(self, hop: Hop) -> float:
        response = await self._transact(self._build("OPTIONS", hop), hop)
        if response is None or response.code in (408, 503):
            self._failed(self._refusal(response, hop))
            return 0.0
        self.state, self.reason = "reachable", ""  # whatever it says, it is there
        return ASK_EVERY_S

    def _build(self, method: str, hop: Hop) -> Request:
        self._sequence += 1
        user = self.trunk.username or "bridge"
        us = URI(scheme="sip", user=user, host=self.uri.host, port=self.uri.port)
        request = Request(method, self.uri)
        request.max_forwards = MAX_FORWARDS
        request.from_address = Address.parse(f"<{us}>;tag={self._tag}")
        request.to_address = Address(uri=us if method == "REGISTER" else self.uri)
        request.call_id = self._call_id
        request.cseq = CSeq(sequence=self._sequence, method=method)
        request.contact = [self._desk.endpoint.contact(user, hop)]
        if method == "REGISTER":
            request.expires = self._expires_s
        return request

    async def _transact(self, request: Request, hop: Hop) -> Response | None:
        response = await self._desk.endpoint.ask(request, hop)
        login = self.login
        if response is None or login is None or response.code not in (401, 407):
            return response
        self._challenge = response
        again = self._build(request.method, hop)
        if not login.answer(again, response):
            return response
        return await self._desk.endpoint.ask(again, hop)

    def _refusal(self, response: Response | None, hop: Hop) -> str:
        """Say why it is not up."""
        if response is None:
            return self._desk.endpoint.sockets.why_not(hop) or "no answer"
        reason = f"{response.code} {response.phrase}"
        if self.login is not None and not can_be_answered(response):
            reason += ", and asks for a login of a kind that is unknown here"
        return reason

    def _granted_s(self, response: Response) -> float:
        """How long the registrar keeps us: what it says of our own Contact, else of all (section 10.2.4)."""
        ours = self._desk.endpoint.contact("", self._hop).uri if self._hop else None
        granted: dict[bool, list[int]] = {True: [], False: []}
        for contact in response.contact:
            value = contact.parameters.get("expires") or ""
            if re.fullmatch("[0-9]{1,8}", value):
                is_ours = ours is not None and (contact.uri.host, contact.uri.port) == (ours.host, ours.port)
                granted[is_ours].append(int(value))
        own = granted[True] or granted[False]
        return float(min(own) if own else response.expires or self._expires_s)

    def _failed(self, reason: str) -> None:
        if (self.state, self.reason) != ("failed", reason):
            log.warning("trunk %s: %s", self.trunk.name, reason)
        self.state, self.reason = "failed", reason


def trunk_uri(trunk: Trunk, user: str | None = None) -> URI:
    """An address at a trunk."""
    parameters = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
    who = URI(scheme="sip", user=user, host=bracketed(trunk.host), port=trunk.port)
    return URI.parse(f"{who}{parameters}")


def trunk_login(trunk: Trunk) -> Login | None:
    """Our credentials at a trunk."""
    if not trunk.username or trunk.password is None:
        return None
    return Login(trunk.username, trunk.password.get_secret_value())


def _min_expires_s(response: Response) -> int:
    value = response.headers.get("Min-Expires") or ""
    return int(value) if re.fullmatch("[0-9]{1,8}", value) else EXPIRES_S
