"""Many calls at once, calls in a row, and a line that loses every fifth message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import Plan, Site
from tests.peers.sip.spectrum import tone_s
from tests.peers.sip.speech_file import tone_ulaw

pytestmark = [pytest.mark.peers, pytest.mark.soak, pytest.mark.timeout(300)]

LONG = os.environ.get("PEERS_SOAK") == "1"
QUIET = '[[sinks]]\nuse = "null"\n'


async def test_many_calls_at_once_with_audio(tmp_path: Path) -> None:
    count, talk_s = (40, 120) if LONG else (10, 6)
    async with Site.running(tmp_path) as site:
        says = tone_ulaw(tmp_path, 1_000)
        traffic = Traffic(
            "uac_audio",
            site.address,
            "hello",
            calls=count,
            per_s=20,
            talk_ms=talk_s * 1000,
            within_s=talk_s + 54,
        )
        async with Sipp.running(tmp_path, traffic, says) as sipp:
            await sipp.succeeds()
        await site.idle()
        sids = {event["call_sid"] for event in site.events if event["event"] == "stream-started"}
        assert len(sids) == count
        for sid in sids:
            assert tone_s(await site.recorded(sid), 1_000, channel=0) >= talk_s - 2
        site.assert_unharmed()


async def test_calls_in_a_row_leave_nothing_behind(tmp_path: Path) -> None:
    count, talk_ms = (100, 12_000) if LONG else (30, 500)  # the long ones are all up at once
    async with Site.running(tmp_path, Plan(sinks=QUIET)) as site:
        warm = Traffic("uac", site.address, "hello", talk_ms=100)
        async with Sipp.running(tmp_path, warm) as sipp:
            await sipp.succeeds()
        await site.idle()
        before, threads, before_mb = site.carrier_files(), site.carrier_threads(), site.carrier_mb()
        traffic = Traffic("uac", site.address, "hello", calls=count, per_s=10, talk_ms=talk_ms, within_s=60)
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        await site.idle()
        assert site.carrier_files() <= before + 3
        assert site.carrier_threads() <= threads + 1
        assert site.carrier_mb() <= before_mb + 20
        site.assert_unharmed()


async def test_every_fifth_message_is_lost_and_every_call_goes_well(tmp_path: Path) -> None:
    count = 300 if LONG else 10
    async with Site.running(tmp_path, Plan(sinks=QUIET)) as site:
        before, before_mb = site.carrier_files(), site.carrier_mb()
        traffic = Traffic(
            "uac", site.address, "hello", calls=count, per_s=5, talk_ms=1_000, lost_percent=20, within_s=180
        )
        async with Sipp.running(tmp_path, traffic) as sipp:
            await sipp.succeeds()
        await site.idle(within_s=40)  # a lost ACK, or BYE, takes its time
        assert site.carrier_files() <= before + 3
        assert site.carrier_mb() <= before_mb + 30
        site.assert_unharmed()
