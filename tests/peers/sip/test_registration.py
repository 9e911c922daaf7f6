"""Phones that register at the carrier."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip, Phone, Transport
from tests.peers.sip.linphone import Linphone
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import Plan, Site
from tests.peers.sip.speech_file import tone_wav

pytestmark = pytest.mark.peers

BOB = Plan(phones=[("bob", "right")])


def phone_of(site: Site, password: str = "right", transport: Transport = "udp") -> Phone:
    return Phone("bob", registrar=site.address, password=password, transport=transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_registered_phone_rings_by_its_name_and_calls(tmp_path: Path, transport: Transport) -> None:
    async with Site.running(tmp_path, BOB) as site:
        says = tone_wav(tmp_path, 440)
        async with Baresip.running(tmp_path, says, phone_of(site, transport=transport)) as phone:
            [place] = await site.registered("bob")
            assert place["transport"] == transport
            assert "baresip" in place["user_agent"]
            sid = await site.call("sip:bob@localhost")
            await phone.event("CALL_ESTABLISHED")
            await phone.hang_up()
            await site.state(sid, "completed")
            await phone.dial(site.uri("hello", transport))
            await phone.event("CALL_ESTABLISHED")
            await phone.hang_up()
        await site.registered("bob", 0)  # it took its leave
        site.assert_unharmed()


async def test_a_wrong_password_is_not_registered(tmp_path: Path) -> None:
    async with Site.running(tmp_path, BOB) as site:
        says = tone_wav(tmp_path, 440)
        async with Baresip.running(tmp_path, says, phone_of(site, "wrong")) as phone:
            await phone.says("SIP/2.0 401")
            await phone.says("SIP/2.0 403")
            assert (await site.roster())["phones"] == []


async def test_who_is_not_registered_cannot_be_reached(tmp_path: Path) -> None:
    async with Site.running(tmp_path, BOB) as site:
        sid = await site.call("sip:bob@localhost")
        await site.event("state", call_sid=sid, status="failed")


async def test_linphone_registers(tmp_path: Path) -> None:
    async with (
        Site.running(tmp_path, BOB) as site,
        Linphone.running(tmp_path, tone_wav(tmp_path, 440)) as lin,
    ):
        await lin.register("bob", site.address, "right")
        await site.registered("bob")
        sid = await site.call("sip:bob@localhost")
        await lin.talks()
        await lin.hang_up()
        await site.state(sid, "completed")


async def test_all_phones_of_a_user_ring_and_the_first_gets_the_call(tmp_path: Path) -> None:
    async with Site.running(tmp_path, BOB) as site:
        says, waits = (
            tone_wav(tmp_path, 440),
            Phone("bob", "manual", registrar=site.address, password="right"),
        )
        async with (
            Baresip.running(tmp_path, says, waits) as first,
            Baresip.running(tmp_path, says, waits) as second,
        ):
            await site.registered("bob", 2)
            sid = await site.call("sip:bob@localhost")
            await first.event("CALL_INCOMING")
            await second.event("CALL_INCOMING")
            await second.accept()
            await second.event("CALL_ESTABLISHED")
            await first.event("CALL_CLOSED")
            await second.hang_up()
            await site.state(sid, "completed")


@pytest.mark.parametrize(("expires", "status"), [("600", "200"), ("10", "423"), ("0", "200")])
async def test_the_time_of_a_registration_is_judged(tmp_path: Path, expires: str, status: str) -> None:
    async with Site.running(tmp_path, BOB) as site:
        keys = {"expires": expires, "status": status}
        traffic = Traffic("uac_register", site.address, "bob", user="bob", password="right", keys=keys)
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        places = await site.registered("bob", 1 if expires == "600" else 0)
        assert all(590 <= place["expires_in_s"] <= 600 for place in places)


async def test_a_phone_whose_connection_is_gone_is_not_called_on_it(tmp_path: Path) -> None:
    async with Site.running(tmp_path, BOB) as site:
        traffic = Traffic(
            "uac_register",
            site.address,
            "bob",
            tcp=True,
            user="bob",
            password="right",
            keys={"expires": "600", "status": "200"},
        )
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        await site.registered("bob", 0)


async def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    async with Site.running(tmp_path, BOB) as site:
        keys = {"expires": "600", "status": "403"}
        wrong = Traffic("uac_register", site.address, "bob", calls=5, user="bob", password="wrong", keys=keys)
        async with Sipp.running(tmp_path, wrong) as sipp:
            await sipp.succeeds()
        again = Traffic(
            "uac_register", site.address, "bob", user="bob", password="right", keys=keys, within_s=5
        )
        async with Sipp.running(tmp_path, again) as sipp:
            assert "503" in await asyncio.wait_for(sipp.fails(), 20)
