"""Frames that wait together: nobody hears less, other or later than if each were delivered by itself."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator

import pytest

from bridge.mediastream.messages import MediaBody
from bridge.session.audio_path import AudioPath
from bridge.session.listener import Listener
from bridge.session.track import PreRoll
from bridge.testing import settle
from tests.session.test_session import Phone


def frame(number: int) -> bytes:
    return bytes([number % 256]) * 160


def played(phone: Phone) -> list[int]:
    """The frames that were sent to the phone, by their number."""
    audio = b"".join(
        b64decode(message["media"]["payload"]) for message in phone.socket.sent if message["event"] == "media"
    )
    return list(audio[::160])


@pytest.mark.parametrize("before", [7, 17, 30])
async def test_a_listener_that_is_played_after_a_while_plays_all_it_has_heard(before: int) -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        ear = phone.session.listen(chunk_ms=200, encoding="mulaw")
        for number in range(before):
            phone.says(frame(number))
        await phone.session.play(ear)
        for number in range(before, before + 3):
            phone.says(frame(number))
        for _ in range(60):
            phone.session._playout.release()
            await phone.clock.advance(0.02)
        assert played(phone) == list(range(before + 3))
        phone.stops()


async def test_what_is_played_after_a_pause_has_its_own_beginning_and_place() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        outbound = phone.session.listen("outbound", encoding="mulaw", chunk_ms=1000)
        for number in range(25):
            if number == 5:
                await phone.session.play(b"\x10" * 320, encoding="mulaw")
                phone.echoes_beginning()
            if number == 15:
                await phone.session.play(b"\x20" * 320, encoding="mulaw")
                phone.echoes_beginning()
            await phone.clock.advance(0.02)
            phone.says()
        phone.stops()
        heard = b"".join([chunk.data async for chunk in outbound])
    assert [heard[start] for start in range(0, len(heard), 160)] == (
        [255] * 5 + [0x10] * 2 + [255] * 8 + [0x20] * 2 + [255] * 8
    )


@pytest.mark.parametrize("limit_ms", [20, 60, 100, 180, 1000, 3000])
def test_the_pre_roll_keeps_what_it_promises(limit_ms: int) -> None:
    preroll = PreRoll(limit_ms * 8)
    for _ in range(40):
        preroll.add(bytes(1600), bytes(1600))
    inbound, outbound = preroll.audio()
    assert limit_ms * 8 <= len(inbound) == len(outbound) < limit_ms * 8 + 1600


async def test_a_live_voice_that_stops_was_heard_to_its_end_and_nothing_ran_dry() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        playback = await phone.session.play(phone.session.listen(encoding="mulaw"), max_queue_ms=400)
        for _ in range(17):
            phone.says()
            await phone.clock.advance(0.02)
        await phone.clock.advance(1)
        assert playback.played_ms == 340
        await phone.session.clear()
        assert (playback.played_ms, playback.cleared_ms) == (340, 0)
        phone.session.count()
        assert phone.session.record.counters.underruns == 0
        phone.stops()


async def test_what_must_not_be_interrupted_is_kept_whenever_somebody_looks() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"\x10" * 320
        await more.wait()
        yield b"\x20" * 320
        await asyncio.Event().wait()

    phone, more = Phone(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        playback = await phone.session.play(source(), encoding="mulaw", interruptible=False)
        await settle()
        await phone.clock.advance(0.03997)
        assert playback.played_ms in {39, 40}
        more.set()
        await settle()
        await phone.session.clear()
        assert played(phone)[-2:] == [0x20, 0x20], "sent again after the clear"
        assert phone.sent()[-1] == "media"
        phone.stops()


async def test_a_strange_number_after_the_end_is_not_taken_for_the_next() -> None:
    phone = Phone()
    phone.says()
    phone.session.end("hangup")
    for chunk in range(-1, 5):
        phone.session.audio.media(MediaBody(bytes(160), "inbound", chunk, 20))
    assert phone.session.record.counters.frames == 1
    phone.session.count()
    assert phone.session.record.counters.frames == 1


async def test_closing_a_listener_that_is_played_ends_the_play_and_lets_the_next_begin() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        ear = phone.session.listen(encoding="mulaw")
        first = await phone.session.play(ear)
        phone.says(frame(1))
        await phone.session.play(frame(2), encoding="mulaw")
        ear.close()
        assert played(phone) == [1, 2]
        phone.takes(phone.twilio.mark(phone.marks()[0]))
        assert await first.finished() == "played"
        phone.stops()


async def test_what_came_before_a_listener_was_closed_can_still_be_read() -> None:
    phone = Phone()
    ear = phone.session.listen(encoding="mulaw", chunk_ms=200)
    for number in range(7):
        phone.says(frame(number))
    ear.close()
    assert b"".join([chunk.data async for chunk in ear]) == b"".join(map(frame, range(7)))


def test_played_calls_that_began_together_do_not_all_work_in_the_same_frame() -> None:
    worked: list[int] = []
    ears: list[Listener] = []
    now = 0
    paths = [
        AudioPath(preroll_ms=3000, both_sent=False, on_first=lambda: None, number=number)
        for number in range(50)
    ]
    for path in paths:
        path.supply(pull=lambda: worked.append(now), be_patient=lambda _: None)
        ear = path.listen(
            "inbound", rate_hz=8000, chunk_ms=20, encoding="mulaw", from_start=False, max_queue_ms=1000
        )
        ear.pour(lambda _: None, lambda: None)
        ears.append(ear)
    for now in range(200):
        for path in paths:
            path.media(MediaBody(frame(now), "inbound", now + 1, 20 * now))
    busiest = max(worked.count(moment) for moment in range(30, 200))
    assert busiest == 10, f"{busiest} of 50 calls worked in one frame"


async def test_an_ended_call_keeps_no_audio() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        phone.says()
        phone.stops()
        early = phone.session.listen(from_start=True)
    assert [chunk.start_ms async for chunk in early] == [0], "a sink may begin after a very short call"
    assert [chunk async for chunk in phone.session.listen(from_start=True)] == []


async def test_what_another_call_says_after_a_pause_is_placed_where_the_phone_began_to_hear_it() -> None:
    phone, other = Phone(), Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        heard = phone.session.listen("outbound", encoding="mulaw", chunk_ms=1000)
        await phone.session.play(other.session.listen(encoding="mulaw"), max_queue_ms=400)
        for number in range(25):
            if number < 5 or number >= 15:
                other.says(b"\x10" * 160)
            if number in {0, 15}:
                phone.echoes_beginning()
            await phone.clock.advance(0.02)
            phone.says()
        other.stops()
        phone.stops()
        audio = b"".join([chunk.data async for chunk in heard])
    assert [audio[start] for start in range(0, len(audio), 160)] == [0x10] * 5 + [255] * 10 + [0x10] * 10
