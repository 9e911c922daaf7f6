"""Calls between two SIP ports of ours; tests/peers/sip has them with programs of others."""

import asyncio
import ssl

import pytest
import trustme

from bridge.carrier.call.request import SipLogin
from bridge.carrier.phone.leg import Answer
from bridge.carrier.sip.plan import Phone, Plan
from tests.carrier.sip.sip_stage import ANYBODY, Ringing, Site, nothing, talk, two_sites, until

CLEAN_UP_S = 64 * 0.05 + 2
"""64 x T1 and some."""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_carries_audio_and_digits_both_ways_and_ends(transport: str) -> None:
    async with two_sites() as (ann, bob):
        leg = ann.leg_to(bob.address(transport=transport))
        ringing = Ringing()
        dialling = asyncio.ensure_future(leg.dial(ringing))
        other = await bob.desk.next_call()
        await asyncio.wait_for(ringing.heard.wait(), 2)
        await other.answered()
        assert await dialling == Answer("answered", 200)
        leg.press("5")  # type: ignore[attr-defined]
        here, there, digits = await talk(leg, other, 40)
        assert set(range(20, 35)) <= set(there)
        assert set(range(120, 135)) <= set(here)
        assert digits == "5"
        await leg.hang_up()
        await asyncio.wait_for(other.hung_up(), 2)


async def test_the_called_side_may_hang_up() -> None:
    async with two_sites() as (ann, bob):
        leg = ann.leg_to(bob.address())
        dialling = asyncio.ensure_future(leg.dial(nothing))
        other = await bob.desk.next_call()
        await other.answered()
        await dialling
        await other.hang_up()
        await asyncio.wait_for(leg.hung_up(), 2)


async def test_the_webhook_is_told_what_the_caller_sent() -> None:
    async with two_sites() as (ann, bob):
        leg = ann.leg_to(bob.address("+15551234567"))
        dialling = asyncio.ensure_future(leg.dial(nothing))
        other = await bob.desk.next_call()
        (request,) = bob.desk.requests
        assert (request.from_, request.to) == ("sip:+15005550006@localhost", "sip:+15551234567@127.0.0.1")
        assert request.sip is not None
        assert (request.sip.call_id, request.sip.source_ip) == ("c1@local-carrier", "127.0.0.1")
        assert ("X-Order", "42") in request.sip.headers
        await other.refused(404)
        assert await dialling == Answer("unreachable", 404)


@pytest.mark.parametrize(
    ("status", "result"), [(486, "busy"), (603, "declined"), (480, "no-answer"), (404, "unreachable")]
)
async def test_each_refusal_says_what_it_means(status: int, result: str) -> None:
    async with two_sites() as (ann, bob):
        leg = ann.leg_to(bob.address())
        dialling = asyncio.ensure_future(leg.dial(nothing))
        await (await bob.desk.next_call()).refused(status)
        answer = await dialling
        assert (answer.result, answer.sip_status) == (result, status)


async def test_who_gives_up_lets_the_phone_stop_ringing() -> None:
    async with two_sites() as (ann, bob):
        leg = ann.leg_to(bob.address())
        ringing = Ringing()
        dialling = asyncio.ensure_future(leg.dial(ringing))
        other = await bob.desk.next_call()
        await ringing.heard.wait()
        dialling.cancel()
        await asyncio.gather(dialling, return_exceptions=True)
        await leg.hang_up()
        await asyncio.wait_for(other.hung_up(), 2)
        await other.refused(487)


async def test_nobody_at_an_address_is_unreachable() -> None:
    async with two_sites() as (ann, _):
        leg = ann.leg_to("sip:bob@127.0.0.1:9;transport=tcp")
        answer = await asyncio.wait_for(leg.dial(nothing), 5)
        assert answer.result == "unreachable"


async def test_an_unknown_user_is_refused() -> None:
    async with two_sites(Plan()) as (ann, bob):
        answer = await ann.leg_to(bob.address()).dial(nothing)
        assert answer == Answer("unreachable", 404)


@pytest.mark.parametrize(("certified", "is_trusted"), [("localhost", True), ("elsewhere.test", False)])
async def test_a_certificate_must_be_for_the_name_that_is_called(certified: str, *, is_trusted: bool) -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(certified).configure_cert(server)
    authority.configure_trust(client)
    ann = Site(first_port=31_000, client_tls=client)
    bob = Site(first_port=32_000, server_tls=server)
    async with ann.service.running(), bob.service.running():
        leg = ann.leg_to(bob.address(transport="tls", host="localhost"))
        dialling = asyncio.ensure_future(leg.dial(nothing))
        if is_trusted:
            await (await bob.desk.next_call()).answered()
            assert await dialling == Answer("answered", 200)
            await leg.hang_up()
        else:
            assert (await dialling).result == "unreachable"
        bob.desk.close()


PHONE = Phone.model_validate({"user": "+15005550006", "password": "very-secret"})


@pytest.mark.parametrize(("password", "lets_in"), [("very-secret", True), ("wrong", False)])
async def test_who_calls_as_a_phone_of_ours_must_prove_it(password: str, *, lets_in: bool) -> None:
    async with two_sites(Plan(phones=[PHONE], routes=[ANYBODY])) as (ann, bob):
        leg = ann.leg_to(bob.address(), login=SipLogin("+15005550006", password))
        dialling = asyncio.ensure_future(leg.dial(nothing))
        if lets_in:
            await (await bob.desk.next_call()).answered()
            assert await dialling == Answer("answered", 200)
            await leg.hang_up()
        else:
            assert (await dialling).sip_status == 403


async def test_who_does_not_prove_it_is_not_let_in() -> None:
    async with two_sites(Plan(phones=[PHONE], routes=[ANYBODY])) as (ann, bob):
        assert (await ann.leg_to(bob.address()).dial(nothing)).sip_status == 407
        assert bob.desk.requests == []


async def test_calls_leave_nothing_behind() -> None:
    async with two_sites() as (ann, bob):
        for _ in range(5):
            leg = ann.leg_to(bob.address())
            dialling = asyncio.ensure_future(leg.dial(nothing))
            other = await bob.desk.next_call()
            await other.answered()
            await dialling
            await leg.hang_up()
            await asyncio.wait_for(other.hung_up(), 2)
        for site in (ann, bob):
            await until(lambda site=site: site.service.live_transactions == 0, within_s=CLEAN_UP_S)  # type: ignore[misc]
            assert site.service.live_calls == 0
