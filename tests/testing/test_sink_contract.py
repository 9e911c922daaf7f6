"""The contract is worth something: each kind of bad sink fails the test that is meant for it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable

import pytest

from bridge.calls.call import Call
from bridge.calls.event import DigitPressed
from bridge.sinks.sink import BoundSink, SinkFunction, describe
from bridge.testing import SinkContract


def failures(function: SinkFunction) -> set[str]:
    """Names of the contract's tests that a sink fails, without their ``test_it_``."""

    class Judged(SinkContract):
        patience_s = 0.2

        def sink(self) -> BoundSink:
            return describe("judged", function).bind()

    failed = set()
    for name in (name for name in dir(SinkContract) if name.startswith("test_")):
        test: Callable[[], None] = getattr(Judged(), name)
        try:
            test()
        except AssertionError:
            failed.add(name.removeprefix("test_").removeprefix("it_"))
    return failed


def test_a_good_sink_fails_none() -> None:
    async def good(call: Call) -> None:
        async for _ in call.listen():
            pass

    assert failures(good) == set()


def test_one_that_hangs_up_fails_none() -> None:
    async def at_once(call: Call) -> None:
        await call.hangup()

    async def by_digit(call: Call) -> None:
        async for event in call.events():
            if isinstance(event, DigitPressed):
                await call.hangup()

    async def by_first_word(call: Call) -> None:
        async for _ in call.listen():
            await call.hangup()

    assert failures(at_once) == set()
    assert failures(by_digit) == set()
    assert failures(by_first_word) == set()


def test_one_that_stays_after_the_end_is_found() -> None:
    async def stays(call: Call) -> None:
        await asyncio.Event().wait()

    found = failures(stays)
    assert "ends_by_itself_when_the_call_ends" in found
    assert "ends_by_itself_when_the_stream_breaks_off" in found


def test_one_that_needs_audio_is_found() -> None:
    async def needs(call: Call) -> None:
        heard = [chunk async for chunk in call.listen(from_start=True)]
        assert len(heard) > 0

    found = failures(needs)
    assert "survives_a_call_without_any_audio" in found
    assert "ends_by_itself_when_the_call_ends" not in found


def test_one_that_is_upset_by_gaps_is_found() -> None:
    async def upset(call: Call) -> None:
        async for chunk in call.listen(from_start=True):
            if chunk.filled_ms or len(chunk.data) != 320:
                raise ValueError("that is not a frame")

    assert failures(upset) == {"goes_on_after_gaps_repeated_frames_and_odd_sizes"}


def test_one_that_loses_audio_is_found() -> None:
    async def loses(call: Call) -> None:
        async for _ in call.listen(max_queue_ms=100):
            pass

    assert failures(loses) == {"loses_nothing_that_comes_at_once"}


def test_one_that_mixes_calls_up_is_found() -> None:
    last: list[str] = []

    async def mixes(call: Call) -> None:
        last[:] = [call.sid]
        async for _ in call.listen():
            if last != [call.sid]:
                raise RuntimeError("whose call is this?")

    assert failures(mixes) == {"keeps_two_calls_apart"}


def test_one_that_leaves_a_task_or_a_file_is_found() -> None:
    left: list[object] = []

    async def leaves_a_task(call: Call) -> None:
        left.append(asyncio.ensure_future(asyncio.Event().wait()))
        async for _ in call.listen():
            pass

    async def leaves_a_file(call: Call) -> None:
        left.append(tempfile.TemporaryFile())  # noqa: SIM115  (that is the fault)
        async for _ in call.listen():
            pass

    try:
        assert failures(leaves_a_task) == {"cancelled_it_leaves_no_task_and_no_open_file"}
        assert failures(leaves_a_file) == {"cancelled_it_leaves_no_task_and_no_open_file"}
    finally:
        for one in left:
            if not isinstance(one, asyncio.Future):
                one.close()  # type: ignore[attr-defined]


def test_one_that_holds_the_loop_is_found() -> None:
    async def holds(call: Call) -> None:
        async for chunk in call.listen():
            if chunk.start_ms == 100:
                time.sleep(0.12)  # noqa: ASYNC251  (that is the fault)

    assert failures(holds) == {"never_holds_the_loop_for_a_tenth_of_a_second"}


def test_a_contract_without_a_sink_says_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="def sink"):
        SinkContract().test_it_survives_a_call_without_any_audio()
