"""The peers against each other: what the other tests of this folder build on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip, Phone, Transport
from tests.peers.sip.certificate import issue
from tests.peers.sip.kamailio import Kamailio
from tests.peers.sip.linphone import Linphone
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.spectrum import tone_dbfs, tone_s
from tests.peers.sip.speech_file import LEVEL_DBFS, tone_ulaw, tone_wav

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_two_baresips_hear_each_other(tmp_path: Path, transport: Transport) -> None:
    secured = issue(tmp_path) if transport == "tls" else None
    alice, bob = (Phone(user, transport=transport, certificate=secured) for user in ("alice", "bob"))
    async with (
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), alice) as caller,
        Baresip.running(tmp_path, tone_wav(tmp_path, 700), bob) as called,
    ):
        await caller.dial(called.uri)
        await caller.event("CALL_ESTABLISHED")
        await caller.press("12#")
        assert await called.digits(3) == "12#"
        for end in (caller, called):
            await end.hears(0.7)
        await called.hang_up()
        for end in (caller, called):
            await end.event("CALL_CLOSED")
        assert tone_s(await caller.heard(), 700) >= 0.5
        assert tone_s(await called.heard(), 440) >= 0.5


async def test_the_level_that_is_said_is_the_level_that_is_heard(tmp_path: Path) -> None:
    async with Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone:
        traffic = Traffic("uac_audio", f"127.0.0.1:{phone.ports.sip}", talk_ms=1_500)
        async with Sipp.running(tmp_path, traffic, tone_ulaw(tmp_path, 1_000)) as sipp:
            await sipp.succeeds()
        await phone.event("CALL_CLOSED")
        heard = await phone.heard()
    assert tone_s(heard, 1_000) >= 1.0
    assert tone_dbfs(heard, 1_000) == pytest.approx(LEVEL_DBFS, abs=0.5)
    assert tone_s(heard, 440) == 0


async def test_a_media_echo_is_heard(tmp_path: Path) -> None:
    async with (
        Sipp.running(tmp_path, Traffic("uas_echo", echo=True)) as sipp,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        await phone.dial(sipp.uri)
        await phone.event("CALL_ESTABLISHED")
        await phone.hears(1.5)
        await phone.hang_up()
        await sipp.succeeds()
        heard = await phone.heard()
    assert tone_s(heard, 440) >= 1.0


async def test_a_peer_hangs_up_after_its_words(tmp_path: Path) -> None:
    says = tone_ulaw(tmp_path, 1_000)
    async with (
        Sipp.running(tmp_path, Traffic("uas_audio", talk_ms=1_000), says) as sipp,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        await phone.dial(sipp.uri)
        await phone.event("CALL_CLOSED")
        await sipp.succeeds()
        assert tone_s(await phone.heard(), 1_000) >= 0.5


@pytest.mark.parametrize("status", ["486 Busy Here", "603 Decline", "404 Not Found"])
async def test_a_refusal_arrives(tmp_path: Path, status: str) -> None:
    async with (
        Sipp.running(tmp_path, Traffic("uas_refuses", keys={"status": status})) as sipp,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        await phone.dial(sipp.uri)
        assert status in str((await phone.event("CALL_CLOSED"))["param"])
        await sipp.succeeds()


async def test_a_caller_gives_up(tmp_path: Path) -> None:
    async with (
        Sipp.running(tmp_path, Traffic("uas_no_answer")) as sipp,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        await phone.dial(sipp.uri)
        await phone.event("CALL_RINGING")
        await phone.hang_up()
        await sipp.succeeds()


async def test_a_phone_sees_a_call_cancelled(tmp_path: Path) -> None:
    async with Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(answer="manual")) as phone:
        traffic = Traffic("uac_cancel", f"127.0.0.1:{phone.ports.sip}", talk_ms=200)
        async with Sipp.running(tmp_path, traffic) as sipp:
            await phone.event("CALL_INCOMING")
            await sipp.succeeds()
        await phone.event("CALL_CLOSED")


async def test_a_phone_declines(tmp_path: Path) -> None:
    async with Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(answer="manual")) as phone:
        traffic = Traffic("uac_refused", f"127.0.0.1:{phone.ports.sip}", keys={"status": "486"})
        async with Sipp.running(tmp_path, traffic) as sipp:
            await phone.event("CALL_INCOMING")
            await phone.hang_up()
            await sipp.succeeds()


@pytest.mark.parametrize("password", ["right", "wrong"])
async def test_a_challenge_is_answered_and_judged(tmp_path: Path, password: str) -> None:
    judge = Traffic("uas_challenges", keys={"user": "bob", "secret": "right"})
    async with Sipp.running(tmp_path, judge) as server:
        caller = Traffic(
            "uac_credentials",
            server.address,
            user="bob",
            password=password,
            talk_ms=100,
            keys={"challenge": "401"},
        )
        async with Sipp.running(tmp_path, caller) as client:
            if password == "right":
                await client.succeeds()
                await server.succeeds()
            else:
                assert "wrong" in await server.fails()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_through_a_proxy(tmp_path: Path, transport: Transport) -> None:
    async with Kamailio.running(tmp_path, {"alice": "one", "bob": "two"}) as proxy:
        alice = Phone("alice", transport=transport, registrar=proxy.address, password="one")
        bob = Phone("bob", transport=transport, registrar=proxy.address, password="two")
        async with (
            Baresip.running(tmp_path, tone_wav(tmp_path, 440), alice) as caller,
            Baresip.running(tmp_path, tone_wav(tmp_path, 700), bob) as called,
        ):
            await caller.registered()
            await called.registered()
            await caller.dial(f"sip:bob@{proxy.address};transport={transport}")
            await called.event("CALL_ESTABLISHED")
            await called.press("5")
            assert await caller.digits(1) == "5"
            await called.hears(0.7)
            await caller.hang_up()
            await called.event("CALL_CLOSED")
            assert tone_s(await called.heard(), 440) >= 0.25


async def test_a_wrong_password_is_not_registered(tmp_path: Path) -> None:
    async with Kamailio.running(tmp_path, {"alice": "one"}) as proxy:
        phone = Phone("alice", registrar=proxy.address, password="two")
        async with Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as one:
            await one.says("reg: sip:alice@")
            await one.says("401 Unauthorized")


async def test_mandatory_encryption_carries_audio_and_refuses_what_is_plain(tmp_path: Path) -> None:
    secured = issue(tmp_path)
    alice = Phone("alice", transport="tls", srtp="srtp-mand", certificate=secured)
    bob = Phone("bob", transport="tls", srtp="srtp-mand", certificate=secured)
    async with (
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), alice) as caller,
        Baresip.running(tmp_path, tone_wav(tmp_path, 700), bob) as called,
    ):
        await caller.dial(called.uri)
        await called.event("CALL_ESTABLISHED")
        await called.hears(0.7)
        await caller.hang_up()
        await called.event("CALL_CLOSED")
        assert "RTP/SAVP" in called.trace
        assert tone_s(await called.heard(), 440) >= 0.25


async def test_a_held_call_speaks_again(tmp_path: Path) -> None:
    async with (
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone("alice")) as caller,
        Baresip.running(tmp_path, tone_wav(tmp_path, 700), Phone("bob")) as called,
    ):
        await caller.dial(called.uri)
        await called.event("CALL_ESTABLISHED")
        await called.hears(0.5)
        await caller.hold()
        await called.says("a=sendonly")
        await called.says("a=recvonly")
        await called.says(" ACK\r\n")
        await caller.resume()
        await called.says("a=sendrecv")
        await called.says(" ACK\r\n")
        # What it hears is not recorded any more after a hold, so a key has to do.
        await caller.press("1")
        assert await called.digits(1) == "1"
        await caller.hang_up()
        await called.event("CALL_CLOSED")


async def test_linphone_calls_baresip(tmp_path: Path) -> None:
    async with (
        Linphone.running(tmp_path, tone_wav(tmp_path, 440)) as lin,
        Baresip.running(tmp_path, tone_wav(tmp_path, 700)) as phone,
    ):
        await lin.dial(phone.uri)
        await lin.talks()
        await lin.press("59")
        assert await phone.digits(2) == "59"
        await lin.hears(1.0)
        await lin.hang_up()
        await phone.event("CALL_CLOSED")
        assert tone_s(await phone.heard(), 440) >= 0.25
        assert tone_s(await lin.heard(), 700) >= 0.25


async def test_baresip_calls_linphone(tmp_path: Path) -> None:
    async with (
        Linphone.running(tmp_path, tone_wav(tmp_path, 440)) as lin,
        Baresip.running(tmp_path, tone_wav(tmp_path, 700)) as phone,
    ):
        await phone.dial(lin.uri)
        await lin.talks()
        await phone.hears(1.5)
        await lin.hears(0.5)
        await phone.hang_up()
        await lin.ended()
        assert tone_s(await phone.heard(), 440) >= 1.0
        assert tone_s(await lin.heard(), 700) >= 1.0
