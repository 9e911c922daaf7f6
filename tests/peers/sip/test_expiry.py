"""Phones that go: with a farewell, without one, and those that stay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from tests.peers.sip.baresip import Baresip, Phone
from tests.peers.sip.site import Plan, Site
from tests.peers.sip.speech_file import tone_wav

pytestmark = pytest.mark.peers

ALL = Plan(phones=[("anna", "a"), ("bob", "b"), ("carl", "c")])
SHORTEST_S = 60
"""A phone that asks for less is refused with 423."""


def phone_of(site: Site, user: str, expires_s: int = SHORTEST_S) -> Phone:
    return Phone(user, registrar=site.address, password=user[0], expires_s=expires_s)


async def unreachable(site: Site, user: str) -> tuple[str, int | None]:
    """Call a phone that is not to be had; gives what became of the call."""
    sid = await site.call(f"sip:{user}@localhost")
    await site.state(sid, "failed")
    record = await site.record(sid)
    return record["status"], record["sip_status"]


async def vanish(phone: Baresip) -> None:
    """Kill it, as a phone whose battery is taken out."""
    [process] = [
        child
        for child in psutil.Process().children()
        if f"baresip-bob-{phone.ports.sip}" in " ".join(child.cmdline())
    ]
    process.kill()
    with pytest.raises(AssertionError, match="ended"):
        await phone.says("nothing more")


@pytest.mark.soak
async def test_a_phone_that_vanishes_is_forgotten_in_time_and_one_that_lives_stays(tmp_path: Path) -> None:
    async with Site.running(tmp_path, ALL) as site:
        says, now_s = tone_wav(tmp_path, 440), asyncio.get_running_loop().time
        async with (
            Baresip.running(tmp_path, says, phone_of(site, "anna")) as lives,
            Baresip.running(tmp_path, says, phone_of(site, "bob")) as dies,
        ):
            for user in ("anna", "bob"):
                [place] = await site.registered(user)
                assert SHORTEST_S - 5 <= place["expires_in_s"] <= SHORTEST_S
            began_s = now_s()
            await vanish(dies)
            assert len(await site.registered("bob")) == 1, "nobody can know yet"
            await site.registered("bob", 0, within_s=SHORTEST_S + 5)
            assert now_s() - began_s >= SHORTEST_S - 5
            assert await unreachable(site, "bob") == await unreachable(site, "carl")
            [place] = await site.registered("anna")
            assert place["expires_in_s"] >= 30, "registered anew, well after half its time"
            sid = await site.call("sip:anna@localhost")
            await lives.event("CALL_ESTABLISHED")
            await lives.hang_up()
            await site.state(sid, "completed")
        site.assert_unharmed()


async def test_a_phone_that_takes_its_leave_is_gone_at_once_and_may_come_back(tmp_path: Path) -> None:
    async with Site.running(tmp_path, ALL) as site:
        says = tone_wav(tmp_path, 440)
        never = await unreachable(site, "carl")
        for _ in range(2):
            async with Baresip.running(tmp_path, says, phone_of(site, "bob", 600)) as phone:
                [place] = await site.registered("bob")
                assert place["expires_in_s"] > 500
                sid = await site.call("sip:bob@localhost")
                await phone.event("CALL_ESTABLISHED")
                await phone.hang_up()
                await site.state(sid, "completed")
            await site.registered("bob", 0, within_s=2)
            assert await unreachable(site, "bob") == never
