"""Two SIP ports of ours on loopback, one that calls and one that is called."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.incoming import IncomingLeg
from bridge.carrier.call.request import CallRequest, Document, SipLogin, SipSide
from bridge.carrier.phone.leg import Leg
from bridge.carrier.sip.plan import Plan, Route
from bridge.carrier.sip.service import SipOptions, SipService
from bridge.clock import SystemClock
from bridge.sip.timing import Timing
from bridge.ticker import Ticker

ANYBODY = Route(pattern="*", url="http://127.0.0.1/voice")
QUICK = Timing(t1_s=0.05, t2_s=0.2, t4_s=0.25)


class Desk:
    """Stands for the exchange: every call that comes waits here until its test is done with it."""

    def __init__(self) -> None:
        self.requests: list[CallRequest] = []
        self._legs: asyncio.Queue[IncomingLeg] = asyncio.Queue(10)
        self._over = asyncio.Event()

    async def receive(self, request: CallRequest, leg: IncomingLeg) -> CarrierCall:
        self.requests.append(request)
        await self._legs.put(leg)
        await self._over.wait()
        return placed(request.to)

    async def next_call(self) -> IncomingLeg:
        return await asyncio.wait_for(self._legs.get(), 5)

    def close(self) -> None:
        self._over.set()


class Site:
    """One carrier's SIP side."""

    def __init__(
        self,
        plan: Plan | None = None,
        *,
        first_port: int,
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.desk = Desk()
        options = SipOptions(
            port=0,
            tls_port=0,
            server_tls=server_tls,
            client_tls=client_tls,
            media_ports=(first_port, first_port + 99),
            timing=QUICK,
        )
        self.service = SipService(options, plan or Plan(routes=[ANYBODY]), self.desk, SystemClock())

    def address(self, user: str = "bob", *, transport: str = "udp", host: str = "127.0.0.1") -> str:
        port = self.service.endpoint.sockets.ports[transport]
        return f"sip:{user}@{host}:{port};transport={transport}"

    def leg_to(self, address: str, *, login: SipLogin | None = None) -> Leg:
        leg = self.service.find_elsewhere(placed(address, login=login))
        assert leg is not None
        return leg


@asynccontextmanager
async def two_sites(called: Plan | None = None) -> AsyncIterator[tuple[Site, Site]]:
    """Give the site that calls, and the one that is called."""
    ann, bob = Site(first_port=31_000), Site(called, first_port=32_000)
    async with ann.service.running(), bob.service.running():
        try:
            yield ann, bob
        finally:
            ann.desk.close()
            bob.desk.close()


def placed(to: str, *, login: SipLogin | None = None) -> CarrierCall:
    """A call as the Calls API makes it."""
    request = CallRequest(
        to=to,
        from_="+15005550006",
        document=Document(twiml="<Response/>"),
        sip=SipSide("127.0.0.1", "c1@local-carrier"),
        sip_headers=(("X-Order", "42"),),
        sip_login=login,
    )
    return CarrierCall(
        request, account_sid="AC" + "0" * 32, direction="outbound-api", created=datetime.now(UTC)
    )


def nothing() -> None:
    """For a phone whose ringing does not matter."""


class Ringing:
    """Remembers that a phone rang."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def __call__(self) -> None:
        self.heard.set()


async def until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait for something two sockets away; fails when it does not come true."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)


async def talk(here: Leg, there: Leg, frames: int) -> tuple[list[int], list[int], str]:
    """
    Let both speak in frames of 20 ms, on the schedule the carrier's lines have.

    Gives what each heard, by first byte, and the digits ``there`` got.
    """
    heard_here: list[int] = []
    heard_there: list[int] = []
    digits: list[str] = []
    over = asyncio.Event()

    def tick() -> None:
        number = len(heard_here)
        here.digits()
        digits.append(there.digits())
        heard_here.append(here.speak()[0])
        heard_there.append(there.speak()[0])
        here.hear(bytes([number % 100]) * 160)
        there.hear(bytes([100 + number % 100]) * 160)
        if len(heard_here) == frames:
            over.set()

    ticker = Ticker(SystemClock())
    leave = ticker.add(tick)
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(ticker.run())
        await over.wait()
        leave()
        ticking.cancel()
    return heard_here, heard_there, "".join(digits)
