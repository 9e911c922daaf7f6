"""Who blocks the event loop is named, once; who does not, is not."""

import asyncio
import logging
import re
import threading
import time

import pytest
from fastapi import FastAPI

from bridge.app import Bridge
from bridge.calls.call import Call
from bridge.clock import SystemClock
from bridge.session.stall_watch import StallWatch
from bridge.settings import Settings
from bridge.testing import settle
from tests.session.test_session import Phone, bound


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "bridge.session.stall_watch"]


def watches() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "bridge-stall-watch"]


async def reported(watch: StallWatch, stalls: int = 1) -> None:
    async with asyncio.timeout(5):
        while watch.stalls < stalls:
            await asyncio.sleep(0.001)


async def test_a_sink_that_blocks_the_loop_is_named_with_its_line_and_how_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def loudness(call: Call) -> None:
        async for _chunk in call.listen():
            time.sleep(0.25)  # noqa: ASYNC251  (the subject)

    phone, watch = Phone(grace_s=5), StallWatch(SystemClock())
    async with watch.running(), asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(loudness)]))
        await settle()
        phone.says()
        phone.stops()
        await reported(watch)
    [warning] = warnings(caplog)
    said = re.fullmatch(
        r"sink loudness blocks the event loop: (\d+) ms at tests/session/test_stall_watch.py:(\d+); "
        r"make it @sink\(…, thread=True\)",
        warning.getMessage(),
    )
    assert said is not None, warning.getMessage()
    assert 150 <= int(said[1]) <= 1000
    assert abs(int(said[2]) - loudness.__code__.co_firstlineno) <= 3
    assert vars(warning)["call_sid"] == phone.session.sid
    assert watch.stalls == 1
    assert 0.15 <= watch.longest_s <= 1
    assert watches() == []


async def test_a_sink_that_keeps_the_interpreter_to_itself_is_named_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def counting(call: Call) -> None:
        sum(range(30_000_000))  # no other thread runs meanwhile, the watch neither

    phone, watch = Phone(grace_s=5), StallWatch(SystemClock())
    async with watch.running(), asyncio.TaskGroup() as group:
        await asyncio.sleep(0.1)  # so that the watch is at its rounds
        group.create_task(phone.session.run([bound(counting)]))
        await settle()
        phone.stops()
        await reported(watch)
    [warning] = warnings(caplog)
    assert "nothing ran for" in warning.getMessage()
    place = f"tests/session/test_stall_watch.py:{counting.__code__.co_firstlineno + 1}"
    assert f"at work was sink counting at {place}" in warning.getMessage()


async def test_a_callback_that_blocks_is_said_by_its_line_and_each_stall_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = StallWatch(SystemClock())
    async with watch.running():
        for stalls in (1, 2):
            asyncio.get_running_loop().call_soon(time.sleep, 0.25)
            await reported(watch, stalls)
    assert len(warnings(caplog)) == 2
    assert all("the event loop did not run for" in one.getMessage() for one in warnings(caplog))


async def test_a_stall_that_does_not_end_is_said_while_it_lasts() -> None:
    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.set()

    said, handler = threading.Event(), Said()
    watch, log = StallWatch(SystemClock()), logging.getLogger("bridge.session.stall_watch")
    log.addHandler(handler)
    try:
        async with watch.running():
            assert said.wait(5), "it was said although the loop never ran again"
            assert watch.stalls == 0
            await reported(watch)
            assert watch.longest_s >= 1
    finally:
        log.removeHandler(handler)


async def test_an_idle_loop_a_busy_loop_and_a_stopped_watch_raise_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = StallWatch(SystemClock())
    async with watch.running():
        await asyncio.sleep(0.3)
        busy_until_s = time.monotonic() + 0.3
        while time.monotonic() < busy_until_s:
            time.sleep(0.01)  # noqa: ASYNC251  (work in small pieces blocks nobody)
            await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251  (nobody watches any more)
    assert warnings(caplog) == []
    assert (watch.stalls, watches()) == (0, [])


async def test_the_application_watches_while_it_runs() -> None:
    bridge = Bridge(Settings(), SystemClock())
    async with bridge.lifespan(FastAPI()):
        assert len(watches()) == 1
        asyncio.get_running_loop().call_soon(time.sleep, 0.25)
        await reported(bridge.stall_watch)
    assert watches() == []
