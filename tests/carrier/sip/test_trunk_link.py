"""When a trunk is registered anew, and what is said of one that is not up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sipmessage import URI, Address, Request, Response

from bridge.carrier.sip.plan import Trunk
from bridge.carrier.sip.trunk_link import TrunkLink
from bridge.sip.digest_value import read_digest
from bridge.sip.hop import Hop
from bridge.sip.message import encode, response_to
from bridge.sip.parsing import parse
from bridge.testing import ManualClock, settle

HOUR = ("Expires", "3600")
SHA_512 = ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-512-256')
MD5 = ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=MD5')


def trunk(transport: str = "tls", *, register: bool = True) -> Trunk:
    return Trunk.model_validate(
        {
            "name": "office",
            "host": "192.0.2.1",
            "transport": transport,
            "username": "u",
            "password": "p",
            "register": register,
        }
    )


class Proxy:
    """Stands for the desk, its endpoint and its sockets: answers as told, and may cut the connection."""

    def __init__(self) -> None:
        self.endpoint = self
        self.sockets = self
        self.asked_at_s: list[float] = []
        self.status: int | None = 200
        self.headers = [HOUR]
        self.refuses = ""
        self.clock = ManualClock()
        self.sent: list[Request] = []
        self._cut = asyncio.Event()
        self.pings_at_s: list[float] = []

    def send(self, data: bytes, _hop: Hop) -> None:
        assert data == b"\r\n\r\n"
        self.pings_at_s.append(self.clock.now_s())

    def cut(self) -> None:
        self._cut.set()
        self._cut = asyncio.Event()

    def contact(self, user: str, _hop: Hop) -> Address:
        return Address(uri=URI(scheme="sip", user=user or None, host="192.0.2.2", port=5061))

    def why_not(self, _hop: Hop) -> str:
        return self.refuses

    async def until_ended(self, _hop: Hop) -> None:
        await self._cut.wait()

    def request(self, request: Request, _hop: Hop, _told: object) -> str:
        self.sent.append(request)
        return "key"

    async def ask(self, request: Request, _hop: Hop) -> Response | None:
        self.asked_at_s.append(self.clock.now_s())
        self.sent.append(request)
        if self.status is None:
            return None
        request.headers.set("Via", "SIP/2.0/TLS 192.0.2.2:5061;branch=z9hG4bK1")
        response = parse(encode(response_to(request, self.status, headers=self.headers)))
        assert isinstance(response, Response)
        return response


@asynccontextmanager
async def linked(proxy: Proxy, to: Trunk | None = None) -> AsyncIterator[TrunkLink]:
    link = TrunkLink(to or trunk(), proxy, proxy.clock)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        await settle()
        yield link
        running.cancel()


async def test_it_registers_anew_before_its_time_is_over_if_its_connection_holds() -> None:
    proxy = Proxy()
    async with linked(proxy) as link:
        await proxy.clock.advance(3595)
        assert link.state == "registered"
        assert proxy.asked_at_s == [0, 2880]


@pytest.mark.parametrize(("transport", "every_s"), [("udp", 25), ("tcp", 90), ("tls", 90)])
async def test_routers_in_between_are_kept_from_forgetting_the_way_to_us(
    transport: str, every_s: int
) -> None:
    proxy = Proxy()
    async with linked(proxy, trunk(transport)):
        await proxy.clock.advance(1000)
    assert proxy.pings_at_s == list(range(every_s, 1001, every_s))


async def test_it_registers_anew_when_its_connection_ends() -> None:
    proxy = Proxy()
    async with linked(proxy) as link:
        await proxy.clock.advance(100)
        proxy.cut()
        await proxy.clock.advance(5)
        assert link.state == "registered"
        assert proxy.asked_at_s == [0, 102]


async def test_a_proxy_that_hangs_up_each_time_is_asked_ever_more_seldom() -> None:
    proxy = Proxy()
    async with linked(proxy):
        for pause_s in (2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
            proxy.cut()
            await proxy.clock.advance(pause_s)
        assert proxy.asked_at_s == [0, 2, 6, 14, 30, 62, 126, 254, 510, 810, 1110]


async def test_one_that_only_closes_what_is_quiet_is_asked_soon_each_time() -> None:
    proxy = Proxy()
    async with linked(proxy):
        for _ in range(5):
            await proxy.clock.advance(120)
            proxy.cut()
            await proxy.clock.advance(2)
        assert proxy.asked_at_s == [0, 122, 244, 366, 488, 610]


async def test_a_proxy_that_is_gone_for_a_while_is_registered_with_when_it_is_back() -> None:
    proxy = Proxy()
    async with linked(proxy) as link:
        proxy.status, proxy.refuses = None, "Connection refused"
        proxy.cut()
        await proxy.clock.advance(3)
        assert (link.state, link.reason) == ("failed", "Connection refused")
        proxy.status = 200
        await proxy.clock.advance(4)
        assert (link.state, link.reason) == ("registered", "")
        assert proxy.asked_at_s == [0, 2, 6]


@pytest.mark.parametrize("to", [trunk("udp"), trunk(register=False)], ids=["udp", "asked"])
async def test_where_no_connection_leads_to_us_its_end_changes_nothing(to: Trunk) -> None:
    proxy = Proxy()
    async with linked(proxy, to):
        proxy.cut()
        await proxy.clock.advance(59)
        assert proxy.asked_at_s == [0]


@pytest.mark.parametrize(
    ("status", "header", "reason"),
    [
        (403, HOUR, "403 Forbidden"),
        (401, MD5, "401 Unauthorized"),
        (401, SHA_512, "401 Unauthorized, and asks for a login of a kind that is unknown here"),
        (None, HOUR, "no answer"),
    ],
)
async def test_the_reason_is_told(status: int | None, header: tuple[str, str], reason: str) -> None:
    proxy = Proxy()
    proxy.status, proxy.headers = status, [header]
    async with linked(proxy) as link:
        assert (link.state, link.reason) == ("failed", reason)


async def test_a_certificate_that_is_not_accepted_is_the_reason_of_a_trunk_that_is_asked_too() -> None:
    proxy = Proxy()
    proxy.status, proxy.refuses = None, "its certificate is not accepted: expired"
    async with linked(proxy, trunk(register=False)) as link:
        assert (link.state, link.reason) == ("failed", "its certificate is not accepted: expired")


async def test_its_farewell_answers_the_latest_challenge_once_more() -> None:
    proxy = Proxy()
    proxy.status, proxy.headers = 401, [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]
    async with linked(proxy) as link:
        proxy.status, proxy.headers = 200, [HOUR]
        await proxy.clock.advance(2)
        link.depart()
        farewell = proxy.sent[-1]
        assert (farewell.method, farewell.expires) == ("REGISTER", 0)
        answer = read_digest(farewell.headers.get("Authorization") or "")
        assert answer is not None
        assert (answer["nonce"], answer["nc"]) == ("n", "00000002")


async def test_it_takes_no_leave_of_who_did_not_register_it() -> None:
    proxy = Proxy()
    proxy.status, proxy.headers = 403, [HOUR]
    async with linked(proxy) as link:
        link.depart()
        assert [request.expires for request in proxy.sent] == [3600]
