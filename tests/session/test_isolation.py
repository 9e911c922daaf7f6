"""What one sink does to itself changes nothing for its call, the other sinks or the other calls."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from bridge import sink
from bridge.calls.call import Call
from bridge.errors import CallEnded
from bridge.session import supervisor
from bridge.sinks import thread
from bridge.sinks.sink import BoundSink, marked
from bridge.testing import settle
from tests.session.test_session import Phone, bound

CALLS = 200
FRAMES = 150
"""Three seconds of each call."""


def payload(call: int, frame: int) -> bytes:
    return bytes((call * 7 + frame * 3 + place) % 256 for place in range(160))


class Crowd:
    """Many calls in one process, and what their sinks heard."""

    def __init__(self) -> None:
        self.phones = [Phone(grace_s=0.05) for _ in range(CALLS)]
        self.heard = [bytearray() for _ in range(CALLS)]
        self.unread: list[Any] = []
        self.raised = 0

    def sinks_of(self, number: int) -> list[BoundSink]:
        async def collecting(call: Call) -> None:
            async for chunk in call.listen(encoding="mulaw", from_start=True):
                assert not chunk.dropped_ms
                self.heard[number].extend(chunk.data)

        async def sleeping(call: Call) -> None:
            await asyncio.Event().wait()

        async def raising(call: Call) -> None:
            self.raised += 1
            raise RuntimeError("again")

        async def never_reading(call: Call) -> None:
            self.unread.append(call.listen("both", max_queue_ms=500))
            await asyncio.Event().wait()

        return [
            bound(never_reading),
            bound(raising, restart=True),
            bound(sleeping),
            bound(collecting),
        ]

    async def turn_clocks(self, seconds: float) -> None:
        for phone in self.phones:
            await phone.clock.advance(seconds)


async def test_two_hundred_calls_are_complete_whatever_their_other_sinks_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor.log, "disabled", True)  # 600 tracebacks are not the subject
    crowd = Crowd()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number, phone in enumerate(crowd.phones):
            group.create_task(phone.session.run(crowd.sinks_of(number)))
        await settle()
        for frame in range(FRAMES):
            for number, phone in enumerate(crowd.phones):
                phone.says(payload(number, frame))
            await asyncio.sleep(0)
            if frame in (50, 100):
                await crowd.turn_clocks(1)
        waiting_bytes = [len(one._main) + len(one._other) for one in crowd.unread]
        for phone in crowd.phones:
            phone.stops()
    for number, phone in enumerate(crowd.phones):
        assert bytes(crowd.heard[number]) == b"".join(payload(number, frame) for frame in range(FRAMES))
        assert phone.session.record.sinks == {
            "never_reading": "cancelled",
            "raising": "RuntimeError: again",
            "sleeping": "cancelled",
            "collecting": "done",
        }
        assert phone.session.record.counters.frames == FRAMES
        assert phone.session.record.counters.dropped_ms == FRAMES * 20 - 520, "500 ms and one chunk wait"
    assert waiting_bytes == [2 * 520 * 8] * CALLS
    assert crowd.raised == 3 * CALLS, "at once, after 0.5 s and after another 1 s"


async def run_call(*sinks: BoundSink, frames: int = 5) -> Phone:
    """A call beside a sink that must hear all of it."""
    heard: list[int] = []

    async def good(call: Call) -> None:
        heard.extend([chunk.start_ms async for chunk in call.listen(from_start=True)])

    phone = Phone(grace_s=0.05)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([*sinks, bound(good)]))
        await settle()
        for _ in range(frames):
            phone.says()
            await asyncio.sleep(0)
        phone.stops()
    assert heard == [20 * frame for frame in range(frames)]
    assert phone.session.record.sinks["good"] == "done"
    return phone


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this works")


class Odd(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (SystemExit(1), "SystemExit: 1"),
        (
            BaseExceptionGroup("many", [SystemExit(1), ValueError("x")]),
            "BaseExceptionGroup: many (2 sub-exceptions)",
        ),
        (Odd("strange"), "Odd: strange"),
        (GeneratorExit(), "RuntimeError: the sink raised GeneratorExit"),
        (StopIteration(), "RuntimeError: coroutine raised StopIteration"),
        (asyncio.CancelledError("of its own"), "CancelledError: of its own"),
        (Unspeakable(), "Unspeakable: (its text cannot be made)"),
        (ValueError("two\nlines " + "x" * 1000), f"ValueError: two lines {'x' * 278}"),
        (CallEnded("over"), "done"),
        (ExceptionGroup("tasks of its own", [CallEnded("over"), CallEnded("over")]), "done"),
    ],
)
async def test_whatever_a_sink_raises_is_its_own_affair(error: BaseException, outcome: str) -> None:
    async def failing(call: Call) -> None:
        raise error

    phone = await run_call(bound(failing))
    assert phone.session.record.sinks["failing"] == outcome


async def test_a_sink_that_swallows_its_cancellation_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "_PATIENCE_S", 0.05)
    cleaned: list[str] = []

    async def stubborn(call: Call) -> None:
        try:
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue
        finally:
            cleaned.append("up")

    phone = await run_call(bound(stubborn, restart=True))
    assert phone.session.record.sinks["stubborn"] == "cancelled"
    assert cleaned == ["up"]
    assert "stubborn swallows its cancellation and is closed" in caplog.text


async def test_a_stubborn_sink_does_not_keep_a_session_that_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "_PATIENCE_S", 0.05)

    async def stubborn(call: Call) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    phone = Phone()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(phone.session.run([bound(stubborn)]))
        await settle()
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled()
    assert phone.session.record.sinks == {"stubborn": "cancelled"}


async def test_a_sink_that_fails_while_it_is_cancelled_is_not_started_again() -> None:
    starts: list[int] = []

    async def failing_late(call: Call) -> None:
        starts.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("disk full")

    phone = await run_call(bound(failing_late, restart=True))
    assert starts == [1]
    assert phone.session.record.sinks["failing_late"] == "OSError: disk full"


async def test_a_sink_that_fails_after_the_call_is_not_started_again() -> None:
    starts: list[int] = []

    async def failing_at_the_end(call: Call) -> None:
        starts.append(1)
        async for _chunk in call.listen():
            pass
        raise OSError("cannot be uploaded")

    phone = await run_call(bound(failing_at_the_end, restart=True))
    assert starts == [1]
    assert phone.session.record.sinks["failing_at_the_end"] == "OSError: cannot be uploaded"


async def test_tasks_of_a_sink_s_own_end_with_it_and_fail_with_it() -> None:
    ends: list[str] = []

    async def wait_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    async def fail() -> None:
        raise OSError("one of them")

    async def waiting(call: Call) -> None:
        async with asyncio.TaskGroup() as own:
            own.create_task(wait_for_ever())
            own.create_task(wait_for_ever())

    async def failing(call: Call) -> None:
        async with asyncio.TaskGroup() as own:
            own.create_task(wait_for_ever())
            own.create_task(fail())

    async def stray(call: Call) -> None:
        strays.append(asyncio.ensure_future(wait_for_ever()))
        raise OSError("left one behind")

    strays: list[asyncio.Future[None]] = []
    phone = await run_call(bound(waiting), bound(failing), bound(stray))
    assert ends == ["cancelled"] * 3
    outcomes = phone.session.record.sinks
    assert outcomes["waiting"] == "cancelled"
    assert outcomes["failing"].startswith("ExceptionGroup: unhandled errors in a TaskGroup")
    assert outcomes["stray"] == "OSError: left one behind"
    for task in strays:
        task.cancel()
    await settle()


async def test_time_outs_and_answers_inside_a_sink_work_as_anywhere() -> None:
    told: list[object] = []

    async def using_asyncio(call: Call) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        told.append(await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2)))
        task = asyncio.current_task()
        assert task is not None
        told.append(task.get_name())

    phone = await run_call(bound(using_asyncio))
    assert told == [[1, 2], f"{phone.session.sid} using_asyncio"]
    assert phone.session.record.sinks["using_asyncio"] == "done"


async def test_a_sink_in_a_thread_that_sleeps_for_ever_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thread, "_PATIENCE_S", 0.05)
    wake = threading.Event()
    threads: list[threading.Thread] = []

    @sink("sleeping", thread=True)
    async def sleeping(call: Call) -> None:
        threads.append(threading.current_thread())
        wake.wait(30)

    found = marked(sleeping)
    assert found is not None
    phone = await run_call(found.bind(), frames=50)
    assert phone.session.record.sinks["sleeping"] == "cancelled"
    wake.set()
    for one in threads:
        await asyncio.to_thread(one.join, 5)


async def test_ended_calls_leave_nothing_behind() -> None:
    async def raising(call: Call) -> None:
        raise RuntimeError("again")

    before = len(asyncio.all_tasks())
    for _ in range(3):
        await run_call(bound(raising, restart=True))
    gc.collect()
    assert len(asyncio.all_tasks()) == before
