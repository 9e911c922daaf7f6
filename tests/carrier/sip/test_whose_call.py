"""Whose a request is, and whose an address."""

from __future__ import annotations

import asyncio

import pytest
from sipmessage import URI

from bridge.carrier.call.incoming import IncomingLeg
from bridge.carrier.call.request import SipLogin
from bridge.carrier.sip import outgoing_leg
from bridge.carrier.sip.plan import Phone, Plan
from bridge.sip.hop import Hop
from tests.carrier.sip.sip_stage import ANYBODY, Site, nothing, placed, two_sites
from tests.carrier.sip.test_odd_peers import SDP, Peer, another_peer, site_and_peer, to_tag_of

BOB = Phone.model_validate({"user": "bob", "password": "very-secret"})


async def answered(site: Site, peer: Peer) -> tuple[IncomingLeg, str]:
    """Have the peer call; gives the call and its tag."""
    peer.sends("INVITE", body=SDP)
    leg = await site.desk.next_call()
    await leg.answered()
    tag = to_tag_of(await peer.hears("200"))
    peer.sends("ACK", to_tag=tag)
    return leg, tag


async def test_a_goodbye_with_another_tag_is_not_this_calls() -> None:
    """Two phones may answer one call, and a stranger may guess."""
    async with site_and_peer() as (site, peer):
        _, tag = await answered(site, peer)
        peer.sends("BYE", from_tag="other", to_tag=tag, number=2)
        await peer.hears("481")
        assert site.service.live_calls == 1
        peer.sends("BYE", to_tag=tag, number=3)
        await peer.until(lambda: site.service.live_calls == 0 and "BYE" in peer.heard[-1])


async def test_a_call_that_comes_by_two_ways_is_taken_once() -> None:
    async with site_and_peer() as (site, peer):
        peer.sends("INVITE", body=SDP)
        leg = await site.desk.next_call()
        peer.sends("INVITE", way="second", body=SDP)
        await peer.hears("482")
        await leg.answered()
        peer.sends("ACK", to_tag=to_tag_of(await peer.hears("200")))
        peer.sends("INVITE", way="third", body=SDP)
        await peer.until(lambda: peer.statuses().count("482") == 2)
        assert len(site.desk.requests) == 1


async def test_a_request_that_may_go_no_further_has_arrived() -> None:
    """Only who forwards counts (RFC 3261 section 16.3)."""
    async with site_and_peer() as (site, peer):
        peer.sends("INVITE", hops=0, body=SDP)
        await site.desk.next_call()
        assert "483" not in peer.statuses()


async def test_a_name_nobody_has_here_is_nobodys() -> None:
    """Else the carrier would ring itself, and its application talk to itself."""
    async with site_and_peer(Plan(phones=[BOB], routes=[ANYBODY])) as (site, _):
        for address in (
            "sip:nobody@localhost",
            site.address("nobody"),
            site.address("nobody", host="localhost"),
        ):
            assert site.service.find_phone(placed(address)) is None
            assert site.service.find_elsewhere(placed(address)) is None
        for address in ("sip:bob@localhost", site.address("bob")):
            assert site.service.find_phone(placed(address)) is not None


async def test_a_local_address_with_another_port_is_another_programs() -> None:
    async with site_and_peer(Plan(phones=[BOB], routes=[ANYBODY])) as (site, _):
        assert site.service.find_phone(placed("sip:bob@127.0.0.1:9")) is None
        assert site.service.find_elsewhere(placed("sip:bob@127.0.0.1:9")) is not None


async def test_our_own_port_by_another_name_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find_hop(uri: URI) -> Hop:
        return Hop("udp", "127.0.0.1", uri.port or 5060)

    monkeypatch.setattr(outgoing_leg, "find_hop", find_hop)
    async with site_and_peer() as (site, _):
        answer = await site.leg_to(site.address("bob", host="pbx.example")).dial(nothing)
        assert (answer.result, answer.sip_status) == ("unreachable", 482)


@pytest.mark.parametrize("user", [";x", "12;phone-context=example", "*31"])
async def test_the_whole_user_stands_in_the_to(user: str) -> None:
    async with site_and_peer() as (site, peer):
        port = peer.port
        dialling = asyncio.ensure_future(site.leg_to(f"sip:{user}@127.0.0.1:{port};x=y").dial(nothing))
        await peer.until(lambda: "INVITE" in peer.requests())
        assert f"To: <sip:{user}@127.0.0.1:{port}>\r\n" in peer.heard[0]
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)


async def test_a_phone_that_moves_is_spoken_to_where_it_is_now() -> None:
    async with site_and_peer() as (site, peer):
        leg, tag = await answered(site, peer)
        async with another_peer(site, "127.0.0.2") as moved:
            moved.sends("INVITE", to_tag=tag, number=2, body=SDP)
            moved.sends("ACK", to_tag=to_tag_of(await moved.hears("200")), number=2)
            await leg.hang_up()
            await moved.until(lambda: "BYE" in moved.requests())
        assert "BYE" not in peer.requests()


async def test_a_late_copy_of_an_ack_is_not_the_answer_to_another_offer() -> None:
    async with site_and_peer() as (site, peer):
        _, tag = await answered(site, peer)
        peer.sends("INVITE", to_tag=tag, number=2)
        await peer.until(lambda: "v=0" in peer.heard[-1])
        peer.sends("ACK", to_tag=tag, number=1)
        peer.sends("OPTIONS", to_tag=tag, number=3)
        await peer.until(lambda: "CSeq: 3 OPTIONS" in peer.heard[-1])
        peer.sends("ACK", to_tag=tag, number=2, body=SDP)
        peer.sends("OPTIONS", to_tag=tag, number=4)
        await peer.until(lambda: "CSeq: 4 OPTIONS" in peer.heard[-1])
        assert "BYE" not in peer.requests()
        assert site.service.live_calls == 1


async def test_a_body_of_another_kind_is_refused_as_that() -> None:
    async with site_and_peer() as (_, peer):
        peer.sends("INVITE", kind="text/plain", body="hello")
        assert "\r\nAccept: application/sdp\r\n" in await peer.hears("415")


@pytest.mark.parametrize(
    ("user", "words"),
    [("+15005550006", "a wrong password for phone +15"), ("bbo", "no phone is called bbo")],
)
async def test_a_failed_login_is_told_by_name(
    user: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Phone.model_validate({"user": "+15005550006", "password": "very-secret"})
    async with two_sites(Plan(phones=[caller], routes=[ANYBODY])) as (ann, bob):
        answer = await ann.leg_to(bob.address(), login=SipLogin(user, "wrong")).dial(nothing)
    assert answer.sip_status == 403
    assert words in caplog.text
    assert "+15005550006" not in caplog.text
