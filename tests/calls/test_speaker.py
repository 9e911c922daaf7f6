"""A program's voice in a call: pieces, marks and digits, in their order."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from bridge.audio import g711
from bridge.calls.event import MarkReached
from bridge.calls.speaker import Speaker
from bridge.errors import CallEnded, CallReadOnly
from bridge.testing import settle
from tests.session.test_session import FRAME, Phone

SECOND = b"\x10" * 8000


def heard(phone: Phone) -> bytes:
    media = [message for message in phone.socket.sent if message["event"] == "media"]
    return b"".join(b64decode(message["media"]["payload"]) for message in media)


def echo_marks(phone: Phone) -> None:
    for name in phone.marks():
        phone.takes(phone.twilio.mark(name))


async def mark_events(phone: Phone) -> list[tuple[str, str]]:
    phone.stops()
    events = [event async for event in phone.session.events()]
    return [(event.name, event.fate) for event in events if isinstance(event, MarkReached)]


@asynccontextmanager
async def speaking(phone: Phone, **options: Any) -> AsyncIterator[Speaker]:
    """A speaker at work in a live call."""
    async with asyncio.TaskGroup() as group:
        live = group.create_task(phone.session.run([]))
        await settle()
        speaker = Speaker(phone.session, **{"encoding": "mulaw", **options})
        running = group.create_task(speaker.run())
        await settle()
        try:
            yield speaker
            await settle()
        finally:
            running.cancel()
            phone.session.end("lost")
            await live


async def test_pieces_that_follow_each_other_are_one_play() -> None:
    phone = Phone()
    async with speaking(phone) as speaker:
        for n in range(5):
            assert speaker.put(bytes([n]) * 160)
            await settle()
        assert phone.sent() == ["media"] * 5, "no mark of ours has ended the play"
        assert heard(phone) == b"".join(bytes([n]) * 160 for n in range(5))


async def test_a_pause_ends_the_play_and_what_comes_then_is_another() -> None:
    phone = Phone()
    async with speaking(phone, pause_s=0) as speaker:
        speaker.put(FRAME)
        while phone.sent() != ["media", "mark"]:
            await settle()
        speaker.put(FRAME)
        while phone.sent() != ["media", "mark", "media", "mark"]:
            await settle()


@pytest.mark.parametrize("cut_bytes", [2, 18, 318, 4094, 4098])
async def test_however_audio_is_cut_the_phone_hears_the_same(cut_bytes: int) -> None:
    pcm = g711.decode_ulaw(FRAME * 10)
    told: list[bytes] = []
    for size in (len(pcm), cut_bytes):
        phone = Phone()
        async with speaking(phone, encoding="pcm16", rate_hz=16_000, pause_s=0) as speaker:
            for start in range(0, len(pcm), size):
                speaker.put(pcm[start : start + size])
            while "mark" not in phone.sent():
                await settle()
        told.append(heard(phone))
    assert told[0] == told[1]
    assert abs(len(told[0]) - 800) <= 16


async def test_a_mark_is_reached_when_what_was_said_before_it_was_played() -> None:
    phone = Phone()
    async with speaking(phone) as speaker:
        speaker.put(FRAME)
        speaker.mark("middle")
        speaker.put(FRAME)
        speaker.mark("end")
        await settle()
        # Each play is closed by a mark of ours; each of the speaker's own has another.
        assert phone.sent() == ["media", "mark", "mark"] * 2
        echo_marks(phone)
        assert await mark_events(phone) == [("middle", "played"), ("end", "played")]


async def test_digits_are_played_in_their_place() -> None:
    phone = Phone()
    async with speaking(phone) as speaker:
        speaker.digits("w")
        speaker.put(FRAME)
        await settle()
        await speaker.handed_over()
        waiting = b"".join(bytes(one) for item in phone.session._playout._queue for one in item._waiting)  # type: ignore[union-attr]
    assert (heard(phone) + waiting)[:4000] == g711.ulaw_silence(4000)
    assert (heard(phone) + waiting)[4000:] == FRAME


async def test_more_than_the_bound_is_refused_and_the_rest_is_still_said() -> None:
    phone = Phone()
    speaker = Speaker(phone.session, encoding="mulaw", max_queue_ms=100)
    assert speaker.put(b"\x01" * 700)
    assert not speaker.put(b"\x02" * 101)
    assert speaker.put(b"\x03" * 100)
    assert speaker.put(b"")
    assert not speaker.put(b"\x04")
    async with asyncio.TaskGroup() as group:
        live = group.create_task(phone.session.run([]))
        await settle()
        running = group.create_task(speaker.run())
        await settle()
        assert heard(phone) == b"\x01" * 700 + b"\x03" * 100
        assert speaker.put(b"\x05" * 800), "there is room again"
        running.cancel()
        phone.stops()
        await live


async def test_tiny_pieces_are_joined_while_they_wait() -> None:
    speaker = Speaker(Phone().session)
    for _ in range(10_000):
        assert speaker.put(b"\x00\x01")
    assert len(speaker._waiting) == 5


async def test_marks_and_digits_have_a_bound_together() -> None:
    phone = Phone()
    speaker = Speaker(phone.session, max_marks=2)
    assert speaker.mark("a")
    assert speaker.digits("1")
    assert not speaker.mark("b")
    assert not speaker.digits("2")
    speaker.forget()
    assert speaker.mark("c")


async def test_clear_drops_what_waits_and_says_which_marks() -> None:
    cleared: list[str] = []
    phone = Phone()
    async with speaking(phone, on_cleared=cleared.append) as speaker:
        for _ in range(5):
            speaker.put(SECOND)
        speaker.mark("end")
        await settle()
        assert len(heard(phone)) == 1600, "the lead is out, the rest waits"
        await speaker.clear()
        await settle()
        assert cleared == ["end"]
        assert phone.sent()[-1] == "clear"
        assert not phone.session._playout._queue


@pytest.mark.parametrize("wait", [True, False])
async def test_what_is_said_after_a_clear_is_heard_whole(*, wait: bool) -> None:
    phone = Phone()
    async with speaking(phone) as speaker:
        for _ in range(5):
            speaker.put(SECOND)
        await settle()
        await speaker.clear()
        if wait:
            await settle()
        before = len(heard(phone))
        speaker.put(b"\x20" * 160)
        speaker.put(b"\x21" * 160)
        await settle()
        assert heard(phone)[before:] == b"\x20" * 160 + b"\x21" * 160


@pytest.mark.parametrize("rounds", range(6))
async def test_a_clear_at_any_moment_of_the_beginning_loses_nothing_said_after_it(rounds: int) -> None:
    phone = Phone()
    async with speaking(phone) as speaker:
        speaker.put(b"\x01" * 160)
        await settle(rounds)
        await speaker.clear()
        before = len(heard(phone))
        speaker.put(b"\x20" * 160)
        await settle()
        assert heard(phone)[before:] == b"\x20" * 160


@pytest.mark.parametrize("rounds", range(6))
async def test_somebody_else_s_clear_drops_what_waits_too_and_the_speaker_goes_on(rounds: int) -> None:
    cleared: list[str] = []
    phone = Phone()
    async with speaking(phone, on_cleared=cleared.append) as speaker:
        for _ in range(5):
            speaker.put(SECOND)
        speaker.mark("end")
        while not heard(phone):
            await settle(1)
        await settle(rounds)
        await phone.session.clear()
        await settle()
        assert cleared == ["end"]
        before = len(heard(phone))
        speaker.put(FRAME)
        await settle()
        assert heard(phone)[before:] == FRAME


async def test_what_is_forgotten_is_not_said_but_what_the_call_has_is() -> None:
    cleared: list[str] = []
    phone = Phone()
    async with speaking(phone, on_cleared=cleared.append, pause_s=0) as speaker:
        for _ in range(5):
            speaker.put(SECOND)
        speaker.mark("end")
        await settle()
        [segment] = phone.session._playout._queue
        kept_samples = segment.queued_samples  # type: ignore[union-attr]
        speaker.forget()
        await settle()
        assert cleared == ["end"]
        assert kept_samples == segment.queued_samples > 0  # type: ignore[union-attr]
        await speaker.handed_over()


async def test_handed_over_waits_for_the_last_piece() -> None:
    phone = Phone()
    async with speaking(phone) as speaker, asyncio.TaskGroup() as group:
        await speaker.handed_over()
        speaker.put(SECOND)
        speaker.put(SECOND)
        speaker.put(SECOND)
        speaker.mark("end")
        handing = group.create_task(speaker.handed_over())
        await settle()
        assert not handing.done(), "the call takes two seconds ahead, no more"
        await speaker.clear()
        await handing


@pytest.mark.parametrize("say", [lambda speaker: speaker.put(FRAME), lambda speaker: speaker.digits("1")])
async def test_a_one_way_stream_is_an_error_of_run(say: Callable[[Speaker], bool]) -> None:
    phone = Phone(tracks=("inbound", "outbound"))
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        speaker = Speaker(phone.session)
        say(speaker)
        with pytest.raises(CallReadOnly):
            await speaker.run()
        phone.stops()


async def test_every_mark_has_a_fate_even_where_it_cannot_be_set() -> None:
    cleared: list[str] = []
    phone = Phone(tracks=("inbound", "outbound"))
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        speaker = Speaker(phone.session, on_cleared=cleared.append)
        speaker.mark("a")
        with pytest.raises(CallReadOnly):
            await speaker.run()
        speaker.mark("b")
        with pytest.raises(CallReadOnly):
            await speaker.clear()
        phone.stops()
    assert cleared == ["a", "b"]


async def test_the_end_of_the_call_ends_a_speech() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        speaker = Speaker(phone.session, encoding="mulaw")
        running = group.create_task(_run(speaker))
        for _ in range(5):
            speaker.put(SECOND)
        await settle()
        phone.stops()
        await settle()
        await speaker.handed_over()
        speaker.put(FRAME)
        assert await running == "ended"


async def _run(speaker: Speaker) -> str:
    with suppress(CallEnded):
        await speaker.run()
    return "ended"
