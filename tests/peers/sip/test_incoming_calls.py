"""Calls that phones make to numbers of the application."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip, Phone, Transport
from tests.peers.sip.linphone import Linphone
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import SAYS_HZ, Plan, Site
from tests.peers.sip.spectrum import tone_s
from tests.peers.sip.speech_file import tone_ulaw, tone_wav

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_baresip_calls_in(tmp_path: Path, transport: Transport) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(transport=transport)) as phone,
    ):
        await phone.dial(site.uri("+12025550123", transport))
        await phone.event("CALL_ESTABLISHED")
        sid = await site.incoming()
        await phone.press("7#")
        assert await site.digits(sid, 2) == "7#"
        await phone.hears(1.5)
        await phone.hang_up()
        await site.state(sid, "completed")
        assert tone_s(await phone.heard(), SAYS_HZ) >= 0.75
        assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.75
        site.assert_unharmed()


async def test_the_application_hangs_up(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        await phone.dial(site.uri("+12025550123"))
        sid = await site.incoming()
        await phone.event("CALL_ESTABLISHED")
        await site.hang_up(sid)
        await phone.event("CALL_CLOSED")


async def test_linphone_calls_in(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site, Linphone.running(tmp_path, tone_wav(tmp_path, 440)) as lin:
        await lin.dial(site.uri("hello"))
        await lin.talks()
        sid = await site.incoming()
        await lin.press("5")
        assert await site.digits(sid, 1) == "5"
        await lin.hears(2.0)
        await lin.hang_up()
        assert tone_s(await lin.heard(), SAYS_HZ) >= 1.0
        assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.5


@pytest.mark.parametrize("tcp", [False, True])
async def test_sipp_calls_in_and_hangs_up(tmp_path: Path, *, tcp: bool) -> None:
    says = tone_ulaw(tmp_path, 1_000)
    async with Site.running(tmp_path) as site:
        traffic = Traffic("uac_audio", site.address, "+12025550123", talk_ms=2_000, tcp=tcp)
        async with Sipp.running(tmp_path, traffic, says) as sipp:
            sid = await site.incoming()
            await sipp.succeeds()
        assert tone_s(await site.recorded(sid), 1_000, channel=0) >= 1.0


async def test_the_caller_hears_the_end(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site:
        traffic = Traffic("uac_listens", site.address, "+12025550123")
        async with Sipp.running(tmp_path, traffic) as sipp:
            await site.hang_up(await site.incoming())
            await sipp.succeeds()
        await site.idle()


async def test_a_number_nobody_has_is_not_found(tmp_path: Path) -> None:
    async with Site.running(tmp_path, Plan(patterns=["+1202*"])) as site:
        traffic = Traffic("uac_refused", site.address, "+4930123456", keys={"status": "404"})
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        await site.idle()


async def test_a_network_that_may_not_call_is_refused(tmp_path: Path) -> None:
    async with Site.running(tmp_path, Plan(allow="192.0.2.0/24")) as site:
        traffic = Traffic("uac_refused", site.address, "+12025550123", keys={"status": "403"})
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()


async def test_a_phone_of_ours_gives_its_password_and_calls(tmp_path: Path) -> None:
    async with Site.running(tmp_path, Plan(phones=[("+12025550188", "right")], allow="192.0.2.0/24")) as site:
        traffic = Traffic(
            "uac_credentials",
            site.address,
            "hello",
            user="+12025550188",
            password="right",
            keys={"challenge": "407"},
        )
        async with Sipp.running(tmp_path, traffic) as sipp:
            await site.incoming()
            await sipp.succeeds()


async def test_a_wrong_password_does_not_call(tmp_path: Path) -> None:
    async with Site.running(tmp_path, Plan(phones=[("+12025550188", "right")], allow="192.0.2.0/24")) as site:
        traffic = Traffic(
            "uac_wrong_password",
            site.address,
            "hello",
            user="+12025550188",
            password="wrong",
            keys={"challenge": "407", "status": "403"},
        )
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        assert await site.live_calls() == 0
        assert not site.events


async def test_who_hangs_up_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site:
        traffic = Traffic("uac", site.address, "hello", talk_ms=1)
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        await site.idle()
        await site.state(await site.incoming(), "completed")
        site.assert_unharmed()


async def test_a_caller_who_gives_up_leaves_nothing_behind(tmp_path: Path) -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # a webhook that never answers
        writer.close()

    async with await asyncio.start_server(nothing, "127.0.0.1", 0) as webhook:
        url = f"http://127.0.0.1:{webhook.sockets[0].getsockname()[1]}/"
        async with Site.running(tmp_path, Plan(webhook=url)) as site:
            traffic = Traffic("uac_cancel", site.address, "hello", talk_ms=300)
            async with Sipp.running(tmp_path, traffic) as sipp:
                await sipp.succeeds()
            await site.idle()
            assert not site.events
            site.assert_unharmed()
