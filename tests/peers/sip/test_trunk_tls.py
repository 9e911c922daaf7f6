"""A trunk over TLS with encrypted audio, by way of kamailio."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.peers.sip.baresip import Baresip, Phone
from tests.peers.sip.certificate import Certificate, issue
from tests.peers.sip.kamailio import Kamailio, Policy
from tests.peers.sip.ports import free_ports
from tests.peers.sip.site import SAYS_HZ, Plan, Site
from tests.peers.sip.spectrum import tone_s
from tests.peers.sip.speech_file import tone_wav

pytestmark = pytest.mark.peers

NUMBER = "+12025550177"
PASSWORDS = {"bridge": "ours", NUMBER: "theirs"}


def trunk(port: int) -> str:
    return (
        f'[[trunks]]\nname = "office"\nhost = "127.0.0.1"\nport = {port}\ntransport = "tls"\n'
        'username = "bridge"\npassword = "ours"\nregister = true\nsecure_media = true\n'
    )


def phone(proxy: Kamailio, secured: Certificate) -> Phone:
    return Phone(
        NUMBER,
        transport="tls",
        srtp="srtp-mand",
        registrar=proxy.secure_address,
        password="theirs",
        certificate=secured,
    )


async def test_a_call_goes_out_and_both_hear_each_other(tmp_path: Path) -> None:
    secured = issue(tmp_path)
    async with Kamailio.running(tmp_path, PASSWORDS, policy=Policy(certificate=secured)) as proxy:
        plan = Plan(trunks=trunk(proxy.ports.tls), certificate=secured)
        async with (
            Site.running(tmp_path, plan) as site,
            Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone(proxy, secured)) as far,
        ):
            await far.registered()
            await site.trunk_is("office", "registered")
            sid = await site.call(NUMBER)
            await far.event("CALL_ESTABLISHED")
            await far.hears(1.5)
            await site.hang_up(sid)
            await far.event("CALL_CLOSED")
            assert "RTP/SAVP" in far.trace
            assert tone_s(await far.heard(), SAYS_HZ) >= 0.75
            assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.75
            site.assert_unharmed()


@pytest.mark.parametrize("listens_tls", [True, False], ids=["by-contact", "by-connection"])
async def test_a_call_comes_in_and_both_hear_each_other(tmp_path: Path, *, listens_tls: bool) -> None:
    secured = issue(tmp_path)
    policy = Policy(certificate=secured, by_connection=not listens_tls)
    async with Kamailio.running(tmp_path, PASSWORDS, policy=policy) as proxy:
        plan = Plan(trunks=trunk(proxy.ports.tls), certificate=secured, listens_tls=listens_tls)
        async with (
            Site.running(tmp_path, plan) as site,
            Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone(proxy, secured)) as far,
        ):
            await far.registered()
            await site.trunk_is("office", "registered")
            await far.dial(f"sip:bridge@{proxy.secure_address};transport=tls")
            sid = await site.incoming()
            await far.hears(1.5)
            await far.hang_up()
            await site.state(sid, "completed")
            assert tone_s(await far.heard(), SAYS_HZ) >= 0.75
            assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.75
            site.assert_unharmed()


async def test_a_call_in_without_encrypted_audio_is_refused(tmp_path: Path) -> None:
    secured = issue(tmp_path)
    async with Kamailio.running(tmp_path, PASSWORDS, policy=Policy(certificate=secured)) as proxy:
        plan = Plan(trunks=trunk(proxy.ports.tls), certificate=secured)
        plain = Phone(
            NUMBER,
            transport="tls",
            registrar=proxy.secure_address,
            password="theirs",
            certificate=secured,
        )
        async with (
            Site.running(tmp_path, plan) as site,
            Baresip.running(tmp_path, tone_wav(tmp_path, 440), plain) as far,
        ):
            await far.registered()
            await site.trunk_is("office", "registered")
            await far.dial(f"sip:bridge@{proxy.secure_address};transport=tls")
            closed = await far.event("CALL_CLOSED")
            assert "488" in closed["param"]
            assert await site.live_calls() == 0


@pytest.mark.parametrize("name", ["127.0.0.1", "192.0.2.1"], ids=["authority", "name"])
async def test_a_proxy_whose_certificate_is_not_good_is_not_spoken_to(tmp_path: Path, name: str) -> None:
    trusted, stranger = tmp_path / "trusted", tmp_path / "stranger"
    trusted.mkdir()
    stranger.mkdir()
    authority = trustme.CA()
    ours = issue(trusted, authority=authority)
    theirs = issue(stranger, authority=trustme.CA() if name == "127.0.0.1" else authority, name=name)
    async with (
        Kamailio.running(tmp_path, PASSWORDS, policy=Policy(certificate=theirs)) as proxy,
        Site.running(tmp_path, Plan(trunks=trunk(proxy.ports.tls), certificate=ours)) as site,
    ):
        reason = await site.trunk_is("office", "failed")
        assert reason.startswith("its certificate is not accepted: ")
        assert ("mismatch" in reason) == (name == "192.0.2.1")
        site.assert_unharmed()


async def test_the_trunk_comes_back_when_its_proxy_does(tmp_path: Path) -> None:
    secured, ports = issue(tmp_path), free_ports()
    policy = Policy(certificate=secured)
    async with Site.running(tmp_path, Plan(trunks=trunk(ports.tls), certificate=secured)) as site:
        async with Kamailio.running(tmp_path, PASSWORDS, policy=policy, ports=ports):
            await site.trunk_is("office", "registered")
        # An hour was granted; whoever waited for its end would not be reachable until then.
        assert "refused" in await site.trunk_is("office", "failed")
        async with (
            Kamailio.running(tmp_path, PASSWORDS, policy=policy, ports=ports) as proxy,
            Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone(proxy, secured)) as far,
        ):
            await far.registered()
            await site.trunk_is("office", "registered", within_s=40)
            await far.dial(f"sip:bridge@{proxy.secure_address};transport=tls")
            sid = await site.incoming()
            await far.event("CALL_ESTABLISHED")
            await far.hang_up()
            await site.state(sid, "completed")


async def test_the_trunk_comes_back_after_a_quick_restart(tmp_path: Path) -> None:
    secured, ports = issue(tmp_path), free_ports()
    policy = Policy(certificate=secured)
    async with Site.running(tmp_path, Plan(trunks=trunk(ports.tls), certificate=secured)) as site:
        async with Kamailio.running(tmp_path, PASSWORDS, policy=policy, ports=ports) as before:
            await before.registered("bridge")
        async with Kamailio.running(tmp_path, PASSWORDS, policy=policy, ports=ports) as after:
            await after.registered("bridge", within_s=40)
            await site.trunk_is("office", "registered")
