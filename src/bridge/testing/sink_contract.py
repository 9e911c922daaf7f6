"""What every sink must stand, as tests you run on your own."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from bridge.clock import SystemClock
from bridge.sinks.sink import BoundSink
from bridge.testing.scripted_call import ScriptedCall

FRAME: Final = bytes(range(160))
"""20 ms of audio, no two samples alike."""

_SECOND: Final = FRAME * 50
_MAX_BLOCKED_S: Final = 0.1
"""The stall watch names a sink that holds the loop for longer."""


class SinkContract:
    """
    A test class for one sink: subclass it, name it ``Test…``, and say how the sink is made.

    ::

        class TestLoudness(SinkContract):
            def sink(self) -> BoundSink:
                return find("loudness.py:loudness").bind({"window_ms": 500})

    pytest collects what it inherits; each test runs in a loop of its own, so no plug-in is needed. What a
    sink needs around it (a server to talk to) goes into ``prepared``.

    Attributes:
        patience_s: Real seconds a sink may take to finish once its call is over.
        max_lost_ms: What it may lose of audio that comes at once; 0, unless losing is its purpose.

    """

    patience_s: float = 5.0
    max_lost_ms: int = 0

    def sink(self) -> BoundSink:
        """The sink with its options; asked for anew by each test."""
        raise NotImplementedError("say which sink is tested: def sink(self) -> BoundSink")

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[BoundSink]:
        """The sink, and around it what it needs; runs in the test's own loop."""
        yield self.sink()

    def test_it_ends_by_itself_when_the_call_ends(self) -> None:
        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            async with call.running(bound):
                await call.speaks(_SECOND)
                call.presses("5")
                await call.is_silent(100)

        self._run(scenario)

    def test_it_ends_by_itself_when_the_stream_breaks_off(self) -> None:
        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            async with call.running(bound):
                await call.speaks(FRAME * 7)
                call.breaks_off()

        self._run(scenario)

    def test_it_survives_a_call_without_any_audio(self) -> None:
        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            async with call.running(bound):
                pass

        self._run(scenario)

    def test_it_survives_a_call_that_is_over_before_it_has_begun(self) -> None:
        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            call.sends(FRAME)
            call.ends()
            async with call.running(bound):
                pass

        self._run(scenario)

    def test_it_goes_on_after_gaps_repeated_frames_and_odd_sizes(self) -> None:
        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            async with call.running(bound):
                await call.speaks(FRAME * 10)
                call.skips(400)
                await call.speaks(FRAME * 10)
                call.repeats()
                call.skips(60_000)  # too long to be filled
                await call.speaks(FRAME * 10)
                call.sends(FRAME[:50])

        call = self._run(scenario)
        counters = call.session.record.counters
        if call.session.end_reason != "hangup":  # a sink that hangs up may not have heard all of it
            assert (counters.gaps, counters.re_anchors) == (1, 1), "the script has gone wrong"

    def test_it_loses_nothing_that_comes_at_once(self) -> None:
        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            async with call.running(bound):
                for _ in range(100):  # two seconds, before the sink gets a word in
                    call.sends(FRAME)

        call = self._run(scenario)
        lost_ms = call.session.record.counters.dropped_ms + sum(call.losses.values())
        assert lost_ms <= self.max_lost_ms, f"{lost_ms} ms are lost"

    def test_it_keeps_two_calls_apart(self) -> None:
        async def both() -> None:
            calls = [ScriptedCall(grace_s=self.patience_s) for _ in range(2)]
            async with self.prepared() as bound, calls[0].running(bound), calls[1].running(bound):
                for _ in range(25):
                    for call in calls:
                        await call.speaks(FRAME)
            for call in calls:
                assert call.outcomes == {bound.label: "done"}, call.outcomes

        asyncio.run(both())

    def test_cancelled_it_leaves_no_task_and_no_open_file(self) -> None:
        async def cancelled() -> None:
            async with self.prepared() as bound:
                call = ScriptedCall(grace_s=self.patience_s)
                tasks, files = asyncio.all_tasks(), _open_files()
                async with call.running(bound) as run:
                    await call.speaks(_SECOND)
                    run.cancel()
                    await asyncio.wait([run], timeout=self.patience_s)
                    assert run.done(), "it does not let itself be cancelled"
                assert call.outcomes[bound.label] in {"cancelled", "done"}
                await _until(lambda: asyncio.all_tasks() <= tasks | _current(), self.patience_s)
                left = [task.get_name() for task in asyncio.all_tasks() - tasks - _current()]
                assert not left, f"tasks are left: {left}"
                await _until(lambda: _open_files() <= files, self.patience_s)
                assert _open_files() <= files, "files are left open"

        asyncio.run(cancelled())

    def test_it_never_holds_the_loop_for_a_tenth_of_a_second(self) -> None:
        # The machine may hold it, too, so a sink is given three chances; one that blocks does so each time.
        assert min(self._longest_hold_s() for _ in range(3)) <= _MAX_BLOCKED_S

    def _longest_hold_s(self) -> float:
        held_s: list[float] = []

        async def scenario(call: ScriptedCall, bound: BoundSink) -> None:
            async with asyncio.TaskGroup() as group, call.running(bound):
                watch = group.create_task(_watch(held_s))
                await call.speaks(_SECOND)
                watch.cancel()

        self._run(scenario)
        return max(held_s, default=0.0)

    def _run(self, scenario: Callable[[ScriptedCall, BoundSink], Coroutine[Any, Any, None]]) -> ScriptedCall:
        """Play a scenario in a loop of its own; the sink must end well."""

        async def play() -> ScriptedCall:
            async with self.prepared() as bound:
                call = ScriptedCall(grace_s=self.patience_s)
                await scenario(call, bound)
                assert call.outcomes == {bound.label: "done"}, call.outcomes
                return call

        return asyncio.run(play())


async def _watch(held_s: list[float]) -> None:
    """Note how long the loop lets a task wait that is ready to run."""
    loop = asyncio.get_running_loop()
    while True:
        before_s = loop.time()
        await asyncio.sleep(0)
        held_s.append(loop.time() - before_s)


async def _until(done: Callable[[], bool], patience_s: float) -> None:
    clock = SystemClock()
    deadline_s = clock.now_s() + patience_s
    while not done() and clock.now_s() < deadline_s:
        await clock.sleep_until_s(clock.now_s() + 0.01)


def _current() -> set[asyncio.Task[Any]]:
    task = asyncio.current_task()
    return set() if task is None else {task}


def _open_files() -> set[int]:
    """The descriptors of this process that are files on disk; none where the system does not tell."""
    found: set[int] = set()
    try:
        numbers = [int(path.name) for path in Path("/dev/fd").iterdir()]
    except OSError:
        return found
    for number in numbers:
        try:
            if stat.S_ISREG(os.fstat(number).st_mode):
                found.add(number)
        except OSError:  # the listing's own, closed by now
            continue
    return found
