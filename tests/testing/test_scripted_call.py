"""The call by script is the real one: what is said is heard, and nothing happens that was not written."""

from __future__ import annotations

import asyncio

import pytest

from bridge.calls.call import Call
from bridge.calls.event import CallEvent, DigitPressed, StreamEnded
from bridge.sinks.sink import BoundSink, SinkFunction, describe
from bridge.testing import ScriptedCall

FRAME = bytes(range(160))


def bound(function: SinkFunction) -> BoundSink:
    return describe("mine", function).bind()


async def test_what_is_said_is_heard_and_gaps_are_where_they_were_made() -> None:
    heard: list[tuple[int, int, bytes]] = []

    async def listen(call: Call) -> None:
        chunks = call.listen(encoding="mulaw")
        heard.extend([(chunk.start_ms, chunk.filled_ms, chunk.data) async for chunk in chunks])

    call = ScriptedCall(parameters={"a": "b"}, direction="placed")
    async with call.running(bound(listen)):
        await call.speaks(FRAME)
        call.skips(40)
        call.sends(FRAME)
        call.repeats()
        call.sends(FRAME[:80])
    silence = b"\xff" * 160
    assert heard == [
        (0, 0, FRAME),
        (20, 20, silence),
        (40, 20, silence),
        (60, 0, FRAME),
        (80, 0, FRAME[:80]),
    ]
    assert call.session.record.counters.duplicates == 1
    assert (call.session.direction, call.session.parameters) == ("placed", {"a": "b"})
    assert call.outcomes == {"mine": "done"}


async def test_what_is_played_is_kept_and_finishes_by_the_carriers_mark() -> None:
    fates: list[str] = []

    async def speak(call: Call) -> None:
        fates.append(await (await call.play(FRAME * 50, encoding="mulaw")).finished())

    call = ScriptedCall()
    async with call.running(bound(speak)) as run:
        assert len(call.heard) < 8000, "sent ahead by the lead and no more"
        await call.is_silent(1100)
        assert call.outcomes == {"mine": "done"}
        assert not run.done(), "the call goes on"
    assert call.heard == FRAME * 50
    assert fates == ["played"]


@pytest.mark.parametrize(("end", "reason"), [("ends", "stop"), ("breaks_off", "lost")])
async def test_digits_and_the_end_are_events(end: str, reason: str) -> None:
    events: list[CallEvent] = []

    async def follow(call: Call) -> None:
        events.extend([event async for event in call.events()])

    call = ScriptedCall()
    async with call.running(bound(follow)):
        call.presses("7")
        getattr(call, end)()
    digit, ended = events[1:]
    assert isinstance(digit, DigitPressed)
    assert digit.digit == "7"
    assert isinstance(ended, StreamEnded)
    assert ended.reason == reason


async def test_a_sink_can_hang_up() -> None:
    async def leave(call: Call) -> None:
        await call.hangup()

    call = ScriptedCall()
    async with call.running(bound(leave)) as run:
        await asyncio.wait_for(asyncio.shield(run), 5)
    assert call.session.end_reason == "hangup"


async def test_what_happened_last_is_acted_on_before_the_call_ends() -> None:
    async def leave(call: Call) -> None:
        async for event in call.events():
            if isinstance(event, DigitPressed):
                await call.clear()
                await call.hangup(after_played=True)

    call = ScriptedCall()
    async with call.running(bound(leave)):
        call.presses("1")
    assert call.session.end_reason == "hangup"


async def test_nobody_hears_what_is_said_after_the_end_but_the_time_goes_on() -> None:
    async def leave(call: Call) -> None:
        await call.hangup()

    call = ScriptedCall()
    async with call.running(bound(leave)):
        before_s = call.clock.now_s()
        await call.speaks(FRAME * 5)
        call.presses("1")
        call.skips(40)
        call.repeats()
    assert round(call.clock.now_s() - before_s, 3) == 0.1
    assert call.session.at_ms == 0
    assert call.session.end_reason == "hangup"


async def test_what_fails_in_the_test_comes_out_as_it_is() -> None:
    async def wait(call: Call) -> None:
        async for _ in call.listen():
            pass

    call = ScriptedCall()
    with pytest.raises(ZeroDivisionError):
        async with call.running(bound(wait)):
            raise ZeroDivisionError
    assert call.outcomes == {"mine": "done"}
