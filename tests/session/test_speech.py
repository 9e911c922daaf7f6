"""Speech as events, and barge-in: one line in a sink."""

import asyncio
import wave
from importlib.resources import files

import numpy as np

from bridge.audio.g711 import encode_ulaw
from bridge.calls.call import Call
from bridge.calls.event import SpeechStarted, SpeechStopped
from bridge.testing import settle
from tests.session.test_session import Phone, bound

NOISE_FRAMES = 100


def frames() -> list[bytes]:
    """Two seconds of quiet noise, the sample that ships at 20 dB above it, and two seconds of noise again."""
    with wave.open(str(files("bridge") / "samples" / "demo.wav")) as file:
        speech = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    level = np.sqrt(np.mean(speech**2)) / 10
    noise = np.random.default_rng(1).normal(0, level, 2 * 160 * NOISE_FRAMES + len(speech))
    noise[160 * NOISE_FRAMES : 160 * NOISE_FRAMES + len(speech)] += speech
    payload = encode_ulaw(noise.clip(-32768, 32767).astype("<i2").tobytes())
    return [payload[start : start + 160] for start in range(0, len(payload) - 159, 160)]


async def test_barge_in_is_one_line_and_comes_in_the_frame_in_which_speech_is_found() -> None:
    cleared_after: list[int] = []
    events: list[object] = []

    async def polite(call: Call) -> None:
        await call.play(b"\x10" * 80_000, encoding="mulaw")
        async for event in call.events():
            events.append(event)
            if isinstance(event, SpeechStarted):
                await call.clear()

    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(polite)]))
        await settle()
        for number, frame in enumerate(frames()):
            phone.says(frame)
            await settle(3)
            if "clear" in phone.socket.events() and not cleared_after:
                cleared_after.append(number)
        phone.stops()
    started = [event for event in events if isinstance(event, SpeechStarted)]
    stopped = [event for event in events if isinstance(event, SpeechStopped)]
    assert started
    assert stopped
    assert started[0].at_ms >= NOISE_FRAMES * 20, "noise alone is no speech"
    assert cleared_after == [started[0].at_ms // 20 - 1], "cleared before the next frame came"
    assert all(event.spoken_ms > 0 for event in stopped)


async def test_who_reads_no_events_pays_nothing_for_speech() -> None:
    phone = Phone()
    assert not phone.session.audio.is_watched
    phone.session.events()
    assert phone.session.audio.is_watched
