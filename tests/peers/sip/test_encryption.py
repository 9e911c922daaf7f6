"""TLS for the signalling and SRTP for the audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip, Phone
from tests.peers.sip.certificate import issue
from tests.peers.sip.site import SAYS_HZ, Plan, Site
from tests.peers.sip.spectrum import tone_s
from tests.peers.sip.speech_file import tone_wav

pytestmark = pytest.mark.peers


async def test_a_secure_call_goes_out_encrypted_in_both_directions(tmp_path: Path) -> None:
    secured = issue(tmp_path)
    phone = Phone(transport="tls", srtp="srtp-mand", certificate=secured)
    async with (
        Site.running(tmp_path, Plan(certificate=secured)) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as far,
    ):
        sid = await site.call(f"{far.uri};secure=true")
        await far.event("CALL_ESTABLISHED")
        await far.hears(1.5)
        await site.hang_up(sid)
        await far.event("CALL_CLOSED")
        assert "RTP/SAVP" in far.trace
        assert tone_s(await far.heard(), SAYS_HZ) >= 0.75
        assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.75


@pytest.mark.parametrize("srtp", ["srtp", "srtp-mand"])
async def test_a_secure_call_comes_in(tmp_path: Path, srtp: str) -> None:
    secured = issue(tmp_path)
    phone = Phone(transport="tls", srtp="srtp-mand" if srtp == "srtp-mand" else "srtp", certificate=secured)
    async with (
        Site.running(tmp_path, Plan(certificate=secured)) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as far,
    ):
        await far.dial(site.uri("hello", "tls"))
        sid = await site.incoming()
        await far.hears(1.5)
        await far.hang_up()
        await site.state(sid, "completed")
        assert tone_s(await far.heard(), SAYS_HZ) >= 0.75
        assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.75


async def test_a_phone_that_insists_on_encryption_refuses_a_plain_call(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(srtp="srtp-mand")) as far,
    ):
        sid = await site.call(far.uri)
        await site.event("state", call_sid=sid, status="failed")
        assert (await site.record(sid))["sip_status"] == 488


async def test_a_secure_call_to_a_plain_phone_fails(tmp_path: Path) -> None:
    secured = issue(tmp_path)
    async with (
        Site.running(tmp_path, Plan(certificate=secured)) as site,
        Baresip.running(
            tmp_path, tone_wav(tmp_path, 440), Phone(transport="tls", certificate=secured)
        ) as far,
    ):
        sid = await site.call(f"{far.uri};secure=true")
        await site.event("state", call_sid=sid, status="failed")


async def test_a_certificate_nobody_vouches_for_is_not_called(tmp_path: Path) -> None:
    trusted, stranger = tmp_path / "trusted", tmp_path / "stranger"
    trusted.mkdir()
    stranger.mkdir()
    phone = Phone(transport="tls", certificate=issue(stranger))
    async with (
        Site.running(tmp_path, Plan(certificate=issue(trusted))) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), phone) as far,
    ):
        sid = await site.call(far.uri)
        await site.event("state", call_sid=sid, status="failed")
        assert far.events == []
