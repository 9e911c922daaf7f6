"""A call that is put on hold, and taken up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.sip.baresip import Baresip
from tests.peers.sip.linphone import Linphone
from tests.peers.sip.site import SAYS_HZ, Site
from tests.peers.sip.spectrum import silent_s, sounds, tone_s
from tests.peers.sip.speech_file import tone_wav

pytestmark = pytest.mark.peers


async def test_baresip_holds_and_resumes(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site, Baresip.running(tmp_path, tone_wav(tmp_path, 440)) as phone:
        sid = await site.call(phone.uri)
        await phone.event("CALL_ESTABLISHED")
        await site.event("stream-started", call_sid=sid)
        await site.hears(sid, 1.0)
        await phone.hold()
        await phone.says("a=recvonly")
        await phone.says(" ACK\r\n")
        await site.hears(sid, 1.0)
        await phone.resume()
        await phone.says("a=sendrecv")
        await phone.says("a=sendrecv")
        await site.hears(sid, 1.5)
        await phone.press("1")
        assert await site.digits(sid, 1) == "1"
        await phone.hang_up()
        await site.state(sid, "completed")
        said = sounds(await site.recorded(sid), channel=0)
        assert said[2].is_tone(440)
        assert said[-4].is_tone(440), "it speaks again"
        assert silent_s(site.recording(sid), channel=0) >= 0.5
        site.assert_unharmed()


async def test_linphone_holds_and_resumes_and_hears_us_again(tmp_path: Path) -> None:
    async with Site.running(tmp_path) as site, Linphone.running(tmp_path, tone_wav(tmp_path, 440)) as lin:
        sid = await site.call(lin.uri)
        await lin.talks()
        await site.event("stream-started", call_sid=sid)
        await lin.hold()
        await lin.says("paused")
        await site.hears(sid, 1.0)
        await lin.resume()
        await lin.says("resum")
        await lin.hears(1.5)
        await lin.hang_up()
        await site.state(sid, "completed")
        assert tone_s(await lin.heard(), SAYS_HZ) >= 0.75
