from __future__ import annotations

import asyncio

import pytest

from bridge.carrier.phone.line import Line
from bridge.ticker import Ticker
from tests.carrier.media_stage import ManualClock, ScriptedLeg, settle, ticking

SILENCE = b"\xff" * 160


class Echo:
    def __init__(self) -> None:
        self.got: list[tuple[bytes, str]] = []

    def tick(self, spoken: bytes, digits: str) -> bytes:
        self.got.append((spoken, digits))
        return spoken


async def test_an_idle_line_gives_the_phone_silence_and_does_not_ask_it_to_speak() -> None:
    clock, leg = ManualClock(), ScriptedLeg()
    async with ticking(clock) as ticker:
        line = Line(leg, ticker, clock)
        line.start()
        await clock.advance(0.1)
    assert leg.heard == [SILENCE] * 5
    assert leg.spoken == 0


async def test_play_returns_with_its_last_frame_and_pads_it() -> None:
    clock, leg = ManualClock(), ScriptedLeg()
    async with ticking(clock) as ticker, asyncio.TaskGroup() as group:
        line = Line(leg, ticker, clock)
        line.start()
        playing = group.create_task(line.play(b"\x01" * 160 + b"\x02" * 100))
        await clock.advance(0.02)
        assert not playing.done()
        await clock.advance(0.02)
        assert playing.done()
        await clock.advance(0.02)
    assert leg.heard == [b"\x01" * 160, b"\x02" * 100 + b"\xff" * 60, SILENCE]


async def test_what_is_played_next_joins_without_a_gap() -> None:
    clock, leg = ManualClock(), ScriptedLeg()
    async with ticking(clock) as ticker, asyncio.TaskGroup() as group:
        line = Line(leg, ticker, clock)
        line.start()

        async def verbs() -> None:
            await line.play(b"\x01" * 320)
            await line.pause(0.04)
            await line.play(b"\x02" * 160)

        group.create_task(verbs())
        await clock.advance(0.1)
    assert leg.heard == [b"\x01" * 160] * 2 + [SILENCE] * 2 + [b"\x02" * 160]


async def test_an_hour_of_pause_is_180_000_frames_of_the_schedule() -> None:
    clock, leg = ManualClock(), ScriptedLeg()
    ticker = Ticker(clock)
    line = Line(leg, ticker, clock)
    line.start()
    async with asyncio.TaskGroup() as group:
        pausing = group.create_task(line.pause(3600))
        await settle()
        for _ in range(180_000 - 1):
            line._tick()
        await settle()
        assert not pausing.done()
        line._tick()
        await settle()
        assert pausing.done()


async def test_nothing_to_play_returns_at_once() -> None:
    clock = ManualClock()
    line = Line(ScriptedLeg(), Ticker(clock), clock)
    line.start()
    async with asyncio.timeout(1):
        await line.play(b"")
        await line.pause(0)


async def test_a_tap_gets_speech_and_digits_and_is_heard_until_it_is_disconnected() -> None:
    clock, leg, tap = ManualClock(), ScriptedLeg(), Echo()
    async with ticking(clock) as ticker:
        line = Line(leg, ticker, clock)
        line.start()
        line.connect(tap)
        leg.pressed = "12"
        await clock.advance(0.06)
        line.disconnect()
        line.disconnect()
        await clock.advance(0.02)
    frames = [bytes([number]) * 160 for number in (1, 2, 3)]
    assert tap.got == [(frames[0], "12"), (frames[1], ""), (frames[2], "")]
    assert leg.heard == [*frames, SILENCE]


async def test_digits_pressed_while_nobody_listens_are_not_kept() -> None:
    clock, leg, tap = ManualClock(), ScriptedLeg(), Echo()
    async with ticking(clock) as ticker:
        line = Line(leg, ticker, clock)
        line.start()
        leg.pressed = "9"
        await clock.advance(0.02)
        line.connect(tap)
        await clock.advance(0.02)
    assert [digits for _, digits in tap.got] == [""]


async def test_a_cancelled_play_falls_silent_and_leaves_the_line_free() -> None:
    clock, leg = ManualClock(), ScriptedLeg()
    async with ticking(clock) as ticker, asyncio.TaskGroup() as group:
        line = Line(leg, ticker, clock)
        line.start()
        playing = group.create_task(line.play(b"\x01" * 1600))
        await clock.advance(0.02)
        playing.cancel()
        await clock.advance(0.02)
        group.create_task(line.play(b"\x02" * 160))
        await clock.advance(0.02)
    assert leg.heard == [b"\x01" * 160, SILENCE, b"\x02" * 160]


async def test_stop_ends_a_waiting_verb_and_lets_no_later_one_wait() -> None:
    clock, leg = ManualClock(), ScriptedLeg()
    async with ticking(clock) as ticker, asyncio.TaskGroup() as group:
        line = Line(leg, ticker, clock)
        line.start()
        playing = group.create_task(line.play(b"\x01" * 1600))
        await clock.advance(0.04)
        line.stop()
        await settle()
        assert playing.done()
        await line.play(b"\x02" * 1600)
        line.stop()
        await clock.advance(0.1)
    assert len(leg.heard) == 2


async def test_one_thing_at_a_time() -> None:
    clock = ManualClock()
    line = Line(ScriptedLeg(), Ticker(clock), clock)
    with pytest.raises(RuntimeError, match="not started"):
        await line.play(b"\x01")
    line.start()
    line.connect(Echo())
    with pytest.raises(RuntimeError, match="busy"):
        await line.pause(1)
    with pytest.raises(RuntimeError, match="busy"):
        line.connect(Echo())


async def test_the_duration_runs_from_start_to_stop() -> None:
    clock = ManualClock()
    line = Line(ScriptedLeg(), Ticker(clock), clock)
    assert line.duration_s == 0
    line.start()
    await clock.advance(2.5)
    line.start()
    assert line.duration_s == pytest.approx(2.5)
    line.stop()
    await clock.advance(10)
    assert line.duration_s == pytest.approx(2.5)
