"""Peers that do what the RFC says nobody does, or only seldom; by hand, over UDP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sipmessage import Request, Response

from bridge.carrier.sip.plan import Phone, Plan, Trunk
from bridge.carrier.sip.trunk_link import TrunkLink
from bridge.sip.message import encode, response_to
from bridge.sip.parsing import parse
from bridge.testing import ManualClock, settle
from tests.carrier.sip.sip_stage import ANYBODY, Site

PHONE = Phone.model_validate({"user": "alice", "password": "very-secret"})
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 26500 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


class Peer(asyncio.DatagramProtocol):
    """A program that sends exactly what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, _address: object) -> None:
        self.heard.append(data.decode())
        self._news.set()

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    def sends(
        self,
        method: str,
        *,
        user: str = "bob",
        from_tag: str = "a1",
        to_tag: str = "",
        number: int = 1,
        way: str = "",
        hops: int = 70,
        kind: str = "application/sdp",
        body: str = "",
    ) -> None:
        host, port = self._transport.get_extra_info("sockname")[:2]
        # A CANCEL is for the INVITE of its branch (RFC 3261 section 9.1).
        branch = f"z9hG4bK{'INVITE' if method == 'CANCEL' else method}{number}{way}"
        self._transport.sendto(
            (
                f"{method} sip:{user}@127.0.0.1 SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch={branch}\r\n"
                f"From: <sip:alice@127.0.0.1>;tag={from_tag}\r\nTo: <sip:bob@127.0.0.1>{to_tag}\r\n"
                "Call-ID: c1\r\n"
                f"CSeq: {number} {method}\r\nMax-Forwards: {hops}\r\n"
                f"Contact: <sip:alice@{host}:{port}>\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
        )

    def statuses(self) -> list[str]:
        return [message.split()[1] for message in self.heard if message.startswith("SIP/2.0")]

    def requests(self) -> list[str]:
        return [message.split()[0] for message in self.heard if not message.startswith("SIP/2.0")]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Look again after every message."""
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def hears(self, status: str) -> str:
        await self.until(lambda: status in self.statuses())
        return next(message for message in self.heard if message.startswith(f"SIP/2.0 {status}"))


@asynccontextmanager
async def site_and_peer(plan: Plan | None = None) -> AsyncIterator[tuple[Site, Peer]]:
    """Give a site of ours, and a peer that is connected to it."""
    site = Site(plan, first_port=33_000)
    async with site.service.running():
        port = site.service.endpoint.sockets.ports["udp"]
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", port))
        try:
            yield site, peer
        finally:
            site.desk.close()
            transport.close()


@asynccontextmanager
async def another_peer(site: Site, host: str) -> AsyncIterator[Peer]:
    """Give one more peer of a site, at this address."""
    port = site.service.endpoint.sockets.ports["udp"]
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        Peer, local_addr=(host, 0), remote_addr=("127.0.0.1", port)
    )
    try:
        yield peer
    finally:
        transport.close()


def to_tag_of(response: str) -> str:
    line = next(line for line in response.split("\r\n") if line.startswith("To:"))
    return ";" + line.partition(">;")[2]


async def test_a_bye_waits_until_the_phone_has_acknowledged_its_200() -> None:
    async with site_and_peer() as (site, peer):
        peer.sends("INVITE", body=SDP)
        leg = await site.desk.next_call()
        await leg.answered()
        tag = to_tag_of(await peer.hears("200"))
        await leg.hang_up()
        await peer.until(lambda: peer.statuses().count("200") > 1)  # no ACK: it is repeated
        assert peer.requests() == []
        peer.sends("ACK", to_tag=tag)
        await peer.until(lambda: "BYE" in peer.requests())
        assert site.service.live_calls == 0


async def test_a_phone_that_never_acknowledges_is_hung_up_on() -> None:
    async with site_and_peer() as (site, peer):
        peer.sends("INVITE", body=SDP)
        leg = await site.desk.next_call()
        await leg.answered()
        await asyncio.wait_for(leg.hung_up(), 6)
        await peer.until(lambda: "BYE" in peer.requests())


async def test_an_offer_nobody_can_take_is_refused_and_its_port_is_free_again() -> None:
    async with site_and_peer() as (_, peer):
        peer.sends("INVITE", body=SDP.replace("RTP/AVP 0", "RTP/AVP 18").replace("0 PCMU", "18 G729"))
        await peer.hears("488")


async def test_a_caller_that_gives_up_at_once_gets_its_487() -> None:
    async with site_and_peer() as (site, peer):
        peer.sends("INVITE", body=SDP)
        leg = await site.desk.next_call()
        peer.sends("CANCEL")
        await asyncio.wait_for(leg.hung_up(), 2)
        await leg.refused(487)
        await peer.hears("487")


async def test_a_stranger_who_is_refused_leaves_nothing_behind() -> None:
    async with site_and_peer(Plan(phones=[PHONE], routes=[ANYBODY])) as (site, peer):
        for number in range(1, 21):
            peer.sends("INVITE", number=number, body=SDP)
        await peer.until(lambda: peer.statuses().count("407") == 20)
        assert site.service.live_transactions == 0
        assert site.desk.requests == []


async def test_a_user_with_a_line_break_in_it_reaches_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async with site_and_peer(Plan()) as (_, peer):
        peer.sends("INVITE", user="a%0AINFO%20forged", body=SDP)
        await peer.hears("400")
        assert "forged" not in caplog.text


class Registrar:
    """Answers a trunk's requests with what it is told; stands for the whole desk."""

    def __init__(self, *headers: tuple[str, str], status: int = 200) -> None:
        self.endpoint = self
        self.asked = 0
        self._headers = headers
        self._status = status
        self._site = Site(first_port=34_000)
        self.contact = self._site.service.endpoint.contact

    async def ask(self, request: Request, _hop: object) -> Response:
        self.asked += 1
        request.headers.set("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1")
        response = parse(encode(response_to(request, self._status, headers=self._headers)))
        assert isinstance(response, Response)
        return response


TRUNK = Trunk.model_validate(
    {"name": "office", "host": "127.0.0.1", "username": "u", "password": "p", "register": True}
)


@pytest.mark.parametrize(
    ("status", "header", "state"),
    [
        (200, ("Contact", "<sip:u@127.0.0.1>;expires=99999999999"), "registered"),
        (200, ("Expires", "soon"), "registered"),
        (423, ("Min-Expires", "1800 (x)"), "failed"),
    ],
)
async def test_an_odd_answer_of_a_registrar_ends_nothing(
    status: int, header: tuple[str, str], state: str
) -> None:
    registrar = Registrar(header, status=status)
    clock = ManualClock()
    link = TrunkLink(TRUNK, registrar, clock)  # type: ignore[arg-type]
    running = asyncio.ensure_future(link.run())
    await settle()
    assert (link.state, running.done()) == (state, False)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(("held", "is_asked"), [("sendrecv", False), ("sendonly", True)])
async def test_only_a_phone_that_cannot_be_heard_is_asked_whether_it_is_there(
    held: str, *, is_asked: bool
) -> None:
    async with site_and_peer() as (site, peer):
        peer.sends("INVITE", body=SDP)
        leg = await site.desk.next_call()
        await leg.answered()
        tag = to_tag_of(await peer.hears("200"))
        peer.sends("ACK", to_tag=tag)
        peer.sends("INVITE", number=2, to_tag=tag, body=f"{SDP}a={held}\r\n")
        await peer.until(lambda: any("CSeq: 2 INVITE" in message for message in peer.heard))
        peer.sends("ACK", number=2, to_tag=tag)
        (call,) = site.service._desk.live()
        now_s = asyncio.get_running_loop().time()
        call.check(now_s)
        leg.digits()
        call.check(now_s + 14)
        assert peer.requests() == []
        if is_asked:
            call.check(now_s + 61)
            await peer.until(lambda: "OPTIONS" in peer.requests())
