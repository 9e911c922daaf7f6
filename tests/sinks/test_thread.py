"""Sinks in threads of their own: they may block as they like, and are otherwise sinks like any other."""

import asyncio
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

from bridge import BlockingCall, Call, CallEnded, DigitPressed, sink
from bridge.calls.context import CALL_SID
from bridge.sinks import thread
from bridge.sinks.registry import find
from bridge.sinks.sink import BoundSink, marked
from bridge.testing import settle
from tests.session.test_session import FRAME, Phone
from tests.session.test_session import bound as bound_plain


def bound(function: Callable[..., Any], *, restart: bool = False) -> BoundSink:
    found = marked(function)
    assert found is not None
    return found.bind(restart=restart)


async def until(happened: threading.Event) -> None:
    assert await asyncio.to_thread(happened.wait, 5)


async def answered(phone: Phone) -> None:
    """Let the phone play what it was sent, once something was."""
    async with asyncio.timeout(5):
        while not phone.marks():
            await asyncio.sleep(0)
    for name in phone.marks():
        phone.takes(phone.twilio.mark(name))


async def call_for(phone: Phone, sinks: list[BoundSink], *steps: Callable[[], Any]) -> None:
    """Run a call of these steps with these sinks, to its end."""
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(phone.session.run(sinks))
        await settle()
        for step in steps:
            result = step()
            if asyncio.iscoroutine(result):
                await result
        phone.stops()


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_who_blocks_delays_nobody_and_still_hears_every_sample(kind: str) -> None:
    blocked, go_on = threading.Event(), threading.Event()
    heard, beside = bytearray(), bytearray()

    def take(data: bytes) -> None:
        if not heard:
            blocked.set()
            go_on.wait(5)
        heard.extend(data)

    @sink("blocking", thread=True)
    def blocking(call: BlockingCall) -> None:
        for chunk in call.listen(encoding="mulaw", from_start=True):
            take(chunk.data)

    @sink("blocking", thread=True)
    async def awaiting(call: Call) -> None:
        async for chunk in call.listen(encoding="mulaw", from_start=True):
            take(chunk.data)

    async def neighbour(call: Call) -> None:
        async for chunk in call.listen(encoding="mulaw", from_start=True):
            beside.extend(chunk.data)

    def heard_beside() -> None:
        assert len(beside) == 100 * 160
        assert not heard
        go_on.set()

    phone = Phone(grace_s=5)
    await call_for(
        phone,
        [bound(awaiting if kind == "async def" else blocking), bound_plain(neighbour)],
        phone.says,
        lambda: until(blocked),
        *[phone.says] * 99,
        settle,
        heard_beside,
    )
    assert bytes(heard) == bytes(beside) == FRAME * 100
    assert phone.session.record.sinks == {"blocking": "done", "neighbour": "done"}


async def test_an_async_sink_does_all_that_a_call_can_do_from_its_thread(tmp_path: Path) -> None:
    told: dict[str, Any] = {}
    recording = tmp_path / "a.wav"

    async def source() -> AsyncIterator[bytes]:
        told["source"] = threading.current_thread()
        yield bytes(320)

    @sink("all", thread=True)
    async def everything(call: Call, *, digit: str = "7") -> None:
        told["facts"] = (call.sid, call.stream_sid, call.from_, call.to, call.direction, call.parameters)
        told["at"] = call.started_at
        told["here"] = threading.current_thread()
        call.add_recording(recording)
        call.add_loss("there", 20)
        call.finish_recording(recording)
        playback = await call.play(source())
        told["fate"] = (await playback.finished(), playback.fate, playback.played_ms, playback.cleared_ms)
        await call.mark("here")
        await call.send_digits(digit)
        await call.clear()
        with pytest.raises(ValueError, match="no digit"):
            await call.send_digits("x")
        with pytest.raises(ValueError, match="chunk_ms"):
            call.listen(chunk_ms=0)
        async with aclosing(call.events()) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, DigitPressed):
                    told["digit"] = event.digit
                    break
        await call.hangup()

    phone = Phone()
    await call_for(
        phone,
        [bound(everything)],
        lambda: answered(phone),
        lambda: phone.takes(phone.twilio.dtmf("5")),
        lambda: closed(phone),
    )
    session = phone.session
    assert session.record.sinks == {"all": "done"}
    assert told["facts"] == (session.sid, session.stream_sid, "+12025550123", "sip:x@y", "placed", {"a": "b"})
    assert told["at"] == session.started_at
    assert told["source"] is told["here"] is not threading.current_thread()
    assert told["fate"] == ("played", "played", 20, 0)
    assert told["digit"] == "5"
    assert (session.record.recordings, session.record.unfinished) == ([recording], set())
    assert session.record.losses == {"there": 20}
    assert session.end_reason == "hangup"


async def closed(phone: Phone) -> None:
    async with asyncio.timeout(5):
        while phone.socket.closed is None:
            await asyncio.sleep(0)


async def test_a_plain_sink_does_all_that_a_call_can_do() -> None:
    told: dict[str, Any] = {}

    @sink("all", thread=True)
    def everything(call: BlockingCall, *, digit: str = "7") -> None:
        playback = call.play(bytes(320))
        told["fate"] = (playback.finished(), playback.fate, playback.played_ms, playback.cleared_ms)
        call.mark("here")
        call.send_digits(digit)
        call.clear()
        with pytest.raises(ValueError, match="no digit"):
            call.send_digits("x")
        with closing(call.events()) as events:
            told["digit"] = next(event.digit for event in events if isinstance(event, DigitPressed))
        assert list(events) == []
        call.hangup()

    phone = Phone()
    await call_for(
        phone,
        [bound(everything)],
        lambda: answered(phone),
        lambda: phone.takes(phone.twilio.dtmf("5")),
        lambda: closed(phone),
    )
    assert phone.session.record.sinks == {"all": "done"}
    assert told == {"fate": ("played", "played", 20, 0), "digit": "5"}
    assert phone.session.end_reason == "hangup"


async def test_an_echo_from_a_thread_never_leaves_the_session_s_loop() -> None:
    started = threading.Event()

    @sink("echo", thread=True)
    async def echo(call: Call) -> None:
        playback = await call.play(call.listen(encoding="mulaw"), max_queue_ms=400)
        started.set()
        await playback.finished()

    phone = Phone()

    def echoes() -> None:
        phone.says()
        assert phone.socket.events() == ["mark", "media"], "back before the callback returned"

    await call_for(phone, [bound(echo)], lambda: until(started), echoes)
    assert phone.session.record.sinks == {"echo": "done"}


async def test_a_source_in_a_thread_is_closed_by_a_clear_and_its_error_surfaces_in_finished() -> None:
    waiting, was_closed = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield bytes(320)
            waiting.set()
            await asyncio.Event().wait()
        finally:
            was_closed.set()

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(320)
        raise OSError("the model went away")

    @sink("speaker", thread=True)
    async def speaker(call: Call) -> None:
        await (await call.play(endless())).finished()
        try:
            await (await call.play(broken())).finished()
        except OSError as error:
            errors.append(error)

    phone = Phone()
    await call_for(
        phone,
        [bound(speaker)],
        lambda: until(waiting),
        phone.session.clear,
        lambda: until(was_closed),
        lambda: answered(phone),
        settle,
        lambda: answered_until(phone, errors),
    )
    assert [str(error) for error in errors] == ["the model went away"]
    assert phone.session.record.sinks == {"speaker": "done"}


async def answered_until(phone: Phone, errors: list[BaseException]) -> None:
    async with asyncio.timeout(5):
        while not errors:
            await answered(phone)
            await asyncio.sleep(0)


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_what_it_raises_reaches_the_supervisor_and_it_is_started_again(kind: str) -> None:
    tries: list[int] = []

    def attempt() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise SystemExit(3)
        if len(tries) == 2:
            raise RuntimeError("once more")

    @sink("flaky", thread=True)
    def blocking(call: BlockingCall) -> None:
        attempt()

    @sink("flaky", thread=True)
    async def awaiting(call: Call) -> None:
        attempt()

    phone = Phone(grace_s=5)
    outcomes = phone.session.record.sinks

    async def becomes(outcome: str) -> None:
        async with asyncio.timeout(5):
            while outcomes.get("flaky") != outcome:
                await asyncio.sleep(0)
        await settle()

    await call_for(
        phone,
        [bound(awaiting if kind == "async def" else blocking, restart=True)],
        lambda: becomes("SystemExit: 3"),
        lambda: phone.clock.advance(0.5),
        lambda: becomes("RuntimeError: once more"),
        lambda: phone.clock.advance(1),
        lambda: becomes("done"),
    )
    assert len(tries) == 3


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_one_that_waits_when_its_grace_is_over_can_still_clean_up(kind: str, tmp_path: Path) -> None:
    ends: list[type[BaseException]] = []
    waiting = threading.Event()

    @sink("late", thread=True)
    def blocking(call: BlockingCall) -> None:
        call.add_recording(tmp_path)
        try:
            call.hangup()  # the hanging up itself hangs
        except BaseException as error:
            ends.append(type(error))
            call.finish_recording(tmp_path)
            raise

    @sink("late", thread=True)
    async def awaiting(call: Call) -> None:
        call.add_recording(tmp_path)
        waiting.set()
        try:
            await asyncio.Event().wait()
        except BaseException as error:
            ends.append(type(error))
            call.finish_recording(tmp_path)
            raise

    phone = Phone(grace_s=0.05, rest=True)

    async def never(sid: str) -> bool:
        waiting.set()
        await asyncio.Event().wait()
        return True

    phone.session._hang_up = never  # type: ignore[misc]
    await call_for(phone, [bound(awaiting if kind == "async def" else blocking)], lambda: until(waiting))
    assert ends == [asyncio.CancelledError]
    assert phone.session.record.sinks == {"late": "cancelled"}
    assert phone.session.record.unfinished == set()


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_one_that_sleeps_for_ever_is_left_to_itself_and_said_to_be(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(thread, "_PATIENCE_S", 0.05)
    wake = threading.Event()
    seen: list[Any] = []

    def sleep() -> None:
        seen.extend([threading.current_thread(), CALL_SID.get()])
        wake.wait(30)

    @sink("sleeper", thread=True)
    def blocking(call: BlockingCall) -> None:
        sleep()
        with pytest.raises(asyncio.CancelledError):
            call.clear()
        with pytest.raises(CallEnded):
            raise CallEnded

    @sink("sleeper", thread=True)
    async def awaiting(call: Call) -> None:
        sleep()
        with pytest.raises(asyncio.CancelledError):
            await call.clear()

    CALL_SID.set("CA7")
    phone = Phone(grace_s=0.05)
    await call_for(phone, [bound(awaiting if kind == "async def" else blocking)], phone.says)
    assert phone.session.record.sinks == {"sleeper": "cancelled"}
    assert "its thread is busy at tests/sinks/test_thread.py:" in caplog.text
    worker, sid = seen
    assert (worker.name, worker.daemon, sid) == (f"{phone.session.sid} sleeper", True, "CA7")
    assert worker.is_alive()
    wake.set()
    await asyncio.to_thread(worker.join, 5)
    assert not worker.is_alive()


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_reader_that_was_left_costs_nothing_any_more(kind: str) -> None:
    left, go_on = threading.Event(), threading.Event()

    @sink("leaving", thread=True)
    def blocking(call: BlockingCall) -> None:
        for _chunk in call.listen(from_start=True):
            break
        left.set()
        go_on.wait(5)

    @sink("leaving", thread=True)
    async def awaiting(call: Call) -> None:
        async for _chunk in call.listen(from_start=True):
            break
        left.set()
        go_on.wait(5)

    phone = Phone()

    async def nobody_listens() -> None:
        async with asyncio.timeout(5):
            while phone.session.audio._listeners:
                await asyncio.sleep(0)
        go_on.set()

    chosen = awaiting if kind == "async def" else blocking
    await call_for(phone, [bound(chosen)], phone.says, lambda: until(left), nobody_listens)
    assert phone.session.record.sinks == {"leaving": "done"}


async def test_a_time_out_around_a_chunk_loses_nothing() -> None:
    heard: list[int] = []
    timed_out = threading.Event()

    @sink("impatient", thread=True)
    async def impatient(call: Call) -> None:
        reader = call.listen(from_start=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(reader)
        timed_out.set()
        heard.extend([chunk.start_ms async for chunk in reader])

    phone = Phone(grace_s=5)
    await call_for(phone, [bound(impatient)], lambda: until(timed_out), phone.says, phone.says)
    assert heard == [0, 20]


def test_the_process_can_end_while_a_sink_sleeps_for_ever() -> None:
    program = """
        import asyncio, threading
        from bridge import BlockingCall, sink
        from bridge.sinks.sink import marked
        from tests.session.test_session import Phone

        started = threading.Event()

        @sink("sleeper", thread=True)
        def sleeper(call: BlockingCall) -> None:
            started.set()
            threading.Event().wait()

        async def main() -> None:
            phone = Phone(grace_s=0)
            async with asyncio.TaskGroup() as group:
                group.create_task(phone.session.run([marked(sleeper).bind()]))
                await asyncio.to_thread(started.wait)
                phone.stops()
            print(phone.session.record.sinks)

        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "{'sleeper': 'cancelled'}"


def test_a_file_s_blocking_function_is_found_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from bridge import BlockingCall, sink\n\n"
        "@sink('slow', thread=True)\n"
        "def slow(call: BlockingCall, *, size: int = 1) -> None:\n    '''Take it slowly.'''\n"
    )
    found = find(f"{path}:slow")
    assert (found.name, found.thread, found.summary) == ("slow", True, "Take it slowly.")
    assert found.bind({"size": "2"}).options == {"size": 2}
