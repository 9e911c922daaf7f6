"""Tones, measured where the phone hears them."""

from __future__ import annotations

import asyncio
from base64 import b64decode

import numpy as np
import pytest

from bridge.audio import g711
from bridge.audio.level import level_dbfs
from bridge.sinks.registry import bind_all
from bridge.testing import settle
from tests.session.test_session import Phone


def heard(phone: Phone) -> bytes:
    media = [message for message in phone.socket.sent if message["event"] == "media"]
    return g711.decode_ulaw(b"".join(b64decode(message["media"]["payload"]) for message in media))


@pytest.mark.parametrize("repeat", [False, True])
async def test_the_phone_hears_the_frequencies_asked_for_at_their_level(repeat: bool) -> None:  # noqa: FBT001
    phone = Phone()
    options = {"frequencies_hz": [440, 1000], "duration_ms": 200, "level_dbfs": -20, "repeat": repeat}
    run = asyncio.ensure_future(phone.session.run(bind_all([("tone", options)])))
    ticking = asyncio.ensure_future(phone.ticker.run())
    await settle()
    await phone.clock.advance(0.5)
    pcm = heard(phone)[: 200 * 16]
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2") * np.hanning(1600)))
    peaks = {int(n) * 5 for n in np.argsort(spectrum)[-2:]}
    assert peaks == {440, 1000}
    assert level_dbfs(pcm) == pytest.approx(-20, abs=0.6)
    if repeat:
        assert len(heard(phone)) > 400 * 16, "the next tone joins without a gap"
    else:
        assert len(heard(phone)) == 200 * 16
        phone.takes(phone.twilio.mark(phone.marks()[-1]))
    phone.stops()
    await run
    ticking.cancel()
    assert phone.session.record.sinks == {"tone": "done"}
