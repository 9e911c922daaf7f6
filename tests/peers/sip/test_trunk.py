"""Calls to and from numbers, by way of kamailio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip, Phone, Transport
from tests.peers.sip.kamailio import Kamailio, Policy
from tests.peers.sip.ports import free_ports
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import SAYS_HZ, Plan, Site
from tests.peers.sip.spectrum import tone_s
from tests.peers.sip.speech_file import tone_wav

pytestmark = pytest.mark.peers

NUMBER = "+12025550177"
PASSWORDS = {"bridge": "ours", NUMBER: "theirs"}


def trunk(
    proxy: Kamailio, transport: Transport = "udp", password: str = "ours", *, register: bool = True
) -> str:
    return (
        f'[[trunks]]\nname = "office"\nhost = "127.0.0.1"\nport = {proxy.ports.sip}\n'
        f'transport = "{transport}"\n'
        f'username = "bridge"\npassword = "{password}"\nregister = {str(register).lower()}\n'
    )


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_goes_out_and_comes_in_through_a_proxy(tmp_path: Path, transport: Transport) -> None:
    async with Kamailio.running(tmp_path, PASSWORDS) as proxy:
        plan = Plan(trunks=trunk(proxy, transport))
        phone = Phone(NUMBER, transport=transport, registrar=proxy.address, password="theirs")
        async with (
            Site.running(tmp_path, plan) as site,
            Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as far,
        ):
            await far.registered()
            await site.trunk_is("office", "registered")
            sid = await site.call(NUMBER)
            await far.event("CALL_ESTABLISHED")
            await far.hears(1.0)
            await far.hang_up()
            await site.state(sid, "completed")
            assert tone_s(await far.heard(), SAYS_HZ) >= 0.5
            await far.dial(f"sip:bridge@{proxy.address};transport={transport}")
            await site.event("stream-started", number=1)
            await far.event("CALL_ESTABLISHED")
            await far.hang_up()
            await site.idle()
            site.assert_unharmed()


async def test_a_trunk_with_a_wrong_password_says_so(tmp_path: Path) -> None:
    async with Kamailio.running(tmp_path, PASSWORDS) as proxy:
        plan = Plan(trunks=trunk(proxy, password="wrong"))
        async with Site.running(tmp_path, plan) as site:
            await site.trunk_is("office", "failed")
            [office] = (await site.roster())["trunks"]
            assert "401" in office["reason"]


async def test_a_password_is_proved_by_sha_256_where_the_proxy_wants_that(tmp_path: Path) -> None:
    policy = Policy(algorithm="SHA-256")
    async with (
        Sipp.running(tmp_path, Traffic("uas_echo", service=NUMBER, echo=True)) as far,
        Kamailio.running(tmp_path, PASSWORDS, routes={NUMBER: far.address}, policy=policy) as proxy,
        Site.running(tmp_path, Plan(trunks=trunk(proxy))) as site,
    ):
        assert "algorithm=SHA-256" in await proxy.credentials("bridge")
        await site.trunk_is("office", "registered")
        sid = await site.call(NUMBER)  # whose INVITE is asked for a password too
        await site.event("stream-started", call_sid=sid)
        await site.hang_up(sid)
        await far.succeeds()


async def test_a_short_registration_is_made_anew_before_it_runs_out(tmp_path: Path) -> None:
    ports = free_ports()
    proxied = Kamailio.running(tmp_path, PASSWORDS, policy=Policy(max_expires_s=15), ports=ports)
    phone = Phone(NUMBER, registrar=f"127.0.0.1:{ports.sip}", password="theirs")
    async with (
        proxied as proxy,
        Site.running(tmp_path, Plan(trunks=trunk(proxy))) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as far,
    ):
        for _ in range(3):  # each is 12 s after the one before, so the first is over by now
            await proxy.registered("bridge", within_s=15)
            assert await site.trunk_is("office", "registered") == ""
        await far.dial(f"sip:bridge@{proxy.address}")
        sid = await site.incoming()
        await far.event("CALL_ESTABLISHED")
        await far.hang_up()
        await site.state(sid, "completed")


async def test_a_trunk_that_was_left_is_not_called_by_any_more(tmp_path: Path) -> None:
    async with Kamailio.running(tmp_path, PASSWORDS) as proxy:
        phone = Phone(NUMBER, registrar=proxy.address, password="theirs")
        async with Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as far:
            await far.registered()
            async with Site.running(tmp_path, Plan(trunks=trunk(proxy))) as site:
                await site.trunk_is("office", "registered")
            await far.dial(f"sip:bridge@{proxy.address}")
            assert "480" in (await far.event("CALL_CLOSED"))["param"]


async def test_a_number_nobody_has_fails_with_the_proxys_status(tmp_path: Path) -> None:
    async with (
        Kamailio.running(tmp_path, PASSWORDS) as proxy,
        Site.running(tmp_path, Plan(trunks=trunk(proxy, register=False))) as site,
    ):
        sid = await site.call("+12025550100")
        await site.event("state", call_sid=sid, status="no-answer")
        assert (await site.record(sid))["sip_status"] == 480


async def test_a_proxy_that_stays_in_the_way_gets_every_request(tmp_path: Path) -> None:
    traffic = Traffic("uas_echo", service=NUMBER, echo=True)
    async with (
        Sipp.running(tmp_path, traffic) as far,
        Kamailio.running(tmp_path, PASSWORDS, routes={NUMBER: far.address}) as proxy,
        Site.running(tmp_path, Plan(trunks=trunk(proxy, register=False))) as site,
    ):
        sid = await site.call(NUMBER)
        await site.event("stream-started", call_sid=sid)
        await site.hang_up(sid)
        await far.succeeds()
        bye = far.messages[far.messages.index("BYE sip:") :]
        assert bye.count("Via: SIP/2.0") >= 2, "the BYE came by the proxy"
