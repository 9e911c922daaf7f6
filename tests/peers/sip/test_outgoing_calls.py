"""Calls that an application places to phones it finds by their address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip, Phone, Transport
from tests.peers.sip.linphone import Linphone
from tests.peers.sip.ports import free_ports
from tests.peers.sip.running_program import RunningProgram
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import SAYS_DBFS, SAYS_HZ, Site
from tests.peers.sip.spectrum import tone_dbfs, tone_s
from tests.peers.sip.speech_file import LEVEL_DBFS, tone_ulaw, tone_wav

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_both_hear_each_other_at_the_right_level(tmp_path: Path, transport: Transport) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(transport=transport)) as phone,
    ):
        sid = await site.call(phone.uri)
        await phone.event("CALL_ESTABLISHED")
        await phone.hears(2.0)
        await site.hang_up(sid)
        await phone.event("CALL_CLOSED")
        await site.state(sid, "completed")
        heard, recorded = await phone.heard(), await site.recorded(sid)
        assert tone_s(heard, SAYS_HZ) >= 1.25
        assert tone_dbfs(heard, SAYS_HZ) == pytest.approx(SAYS_DBFS, abs=1)
        assert tone_s(recorded, 440, channel=0) >= 1.25
        assert tone_dbfs(recorded, 440, channel=0) == pytest.approx(LEVEL_DBFS, abs=1)
        assert tone_s(heard, 440) == 0, "nobody hears himself"
        await site.idle()
        site.assert_unharmed()


async def test_digits_of_the_phone_arrive(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        sid = await site.call(phone.uri)
        await site.event("stream-started", call_sid=sid)
        await phone.press("42*")
        assert await site.digits(sid, 3) == "42*"
        await phone.hang_up()
        await site.state(sid, "completed")
        site.assert_unharmed()


async def test_the_phone_gets_the_digits_the_application_asked_for(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        sid = await site.call(phone.uri, send_digits="19#")
        assert await phone.digits(3) == "19#"
        await site.hang_up(sid)


async def test_the_phone_hangs_up(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        sid = await site.call(phone.uri)
        await site.event("stream-started", call_sid=sid)
        await phone.hang_up()
        await site.state(sid, "completed")
        assert (await site.event("stream-ended", call_sid=sid))["reason"] == "stop"
        await site.idle()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("486 Busy Here", "busy"),
        ("600 Busy Everywhere", "busy"),
        ("603 Decline", "busy"),
        ("404 Not Found", "failed"),
        ("480 Gone", "no-answer"),
        ("503 Later", "failed"),
    ],
)
async def test_a_refusal_has_its_state_and_sip_status(tmp_path: Path, answer: str, status: str) -> None:
    traffic = Traffic("uas_refuses", keys={"status": answer})
    async with Site.running(tmp_path) as site, Sipp.running(tmp_path, traffic) as sipp:
        sid = await site.call(sipp.uri)
        await site.state(sid, status)
        assert (await site.record(sid))["sip_status"] == int(answer[:3])
        await sipp.succeeds()  # it got its ACK
        await site.idle()


async def test_a_phone_declines(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(answer="manual")) as phone,
    ):
        sid = await site.call(phone.uri)
        await site.state(sid, "ringing")
        await phone.hang_up()
        await site.state(sid, "busy")


async def test_nobody_answers_until_the_time_out(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site, Sipp.running(tmp_path, Traffic("uas_no_answer")) as sipp:
        sid = await site.call(sipp.uri, timeout=5)
        await site.state(sid, "ringing")
        await site.state(sid, "no-answer")
        await sipp.succeeds()  # it got a CANCEL, and an ACK for its 487


async def test_a_ringing_call_is_cancelled(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440), Phone(answer="manual")) as phone,
    ):
        sid = await site.call(phone.uri)
        await site.state(sid, "ringing")
        await site.hang_up(sid)
        await phone.event("CALL_CLOSED")
        await site.state(sid, "canceled")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_nobody_is_there(tmp_path: Path, transport: Transport) -> None:
    async with Site.running(tmp_path) as site:
        sid = await site.call(f"sip:bob@127.0.0.1:{free_ports().sip};transport={transport}", timeout=5)
        await site.event("state", call_sid=sid, status="failed" if transport == "tcp" else "no-answer")
        site.assert_unharmed()


async def test_a_password_is_given_where_one_is_asked_for(tmp_path: Path) -> None:
    judge = Traffic("uas_challenges", keys={"user": "bob", "secret": "right"}, echo=True)
    async with Site.running(tmp_path) as site, Sipp.running(tmp_path, judge) as sipp:
        sid = await site.call(sipp.uri, sip_auth_username="bob", sip_auth_password="right")
        await site.event("stream-started", call_sid=sid)
        await site.hears(sid, 1.5)
        await site.hang_up(sid)
        await sipp.succeeds()
        assert tone_s(await site.recorded(sid), SAYS_HZ, channel=0) >= 0.75, "its echo came back"


async def test_what_sipp_says_arrives_and_its_goodbye_ends_the_call(tmp_path: Path) -> None:
    says = tone_ulaw(tmp_path, 1_000)
    async with (
        Site.running(tmp_path) as site,
        Sipp.running(tmp_path, Traffic("uas_audio", talk_ms=2_000), says) as sipp,
    ):
        sid = await site.call(sipp.uri)
        await site.state(sid, "completed")
        await sipp.succeeds()
        assert tone_s(await site.recorded(sid), 1_000, channel=0) >= 1.0


async def test_linphone_is_called(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site, Linphone.running(tmp_path, tone_wav(tmp_path, 440)) as lin:
        sid = await site.call(lin.uri)
        await lin.talks()
        await site.event("stream-started", call_sid=sid)
        await lin.press("59")
        assert await site.digits(sid, 2) == "59"
        await lin.hears(2.0)
        await lin.hang_up()
        await site.state(sid, "completed")
        assert tone_s(await lin.heard(), SAYS_HZ) >= 1.0
        assert tone_s(await site.recorded(sid), 440, channel=0) >= 0.5


async def test_a_carrier_that_stops_says_goodbye(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path) as site,
        Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone,
    ):
        await site.call(phone.uri)
        await phone.event("CALL_ESTABLISHED")
        await _stopped(site.carrier)
        await phone.event("CALL_CLOSED")


async def _stopped(program: RunningProgram) -> None:
    assert await program.stop() == 0, program.tail
