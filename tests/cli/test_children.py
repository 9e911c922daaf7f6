from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process

import pytest

from bridge.cli import children as module
from bridge.cli.children import Child, Children
from bridge.testing import ManualClock, settle


class Started:
    """Processes that are no processes: they end when a test says so."""

    def __init__(self) -> None:
        self.environments: list[dict[str, str]] = []
        self._ends: list[asyncio.Future[int]] = []

    async def start(self, child: Child) -> Process:
        self.environments.append(dict(child.environment))
        end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ends.append(end)

        class Running:
            returncode = 0  # nothing is left to be stopped

            async def wait(self) -> int:
                return await asyncio.shield(end)

        return Running()  # type: ignore[return-value]

    async def crash(self, code: int = -9) -> None:
        self._ends[-1].set_result(code)
        await settle()

    @property
    def count(self) -> int:
        return len(self._ends)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    found = Started()
    monkeypatch.setattr(module, "_start", found.start)
    return found


CARRIER = Child("the local carrier", ["carrier"], {"TWILIO_AUTH_TOKEN": "made-up"}, is_restarted=True)
SERVER = Child("the server", ["serve"], {})


async def test_the_first_crash_is_mended_at_once_and_the_next_ones_after_growing_pauses(
    started: Started,
) -> None:
    said: list[str] = []
    clock = ManualClock()
    family = Children(said.append, clock)
    async with family.running([CARRIER]):
        family.settled()
        await settle()
        await started.crash()
        assert started.count == 2
        assert "ended by signal SIGKILL" in said[0]
        assert "at once" in said[0]
        for pause_s in (1, 2, 4, 8, 16, 30, 30):
            before = started.count
            await started.crash(1)
            assert f"with exit code 1; its calls are lost. It is started again in {pause_s} s" in said[-1]
            await clock.advance(pause_s - 0.1)
            assert started.count == before
            await clock.advance(0.2)
            assert started.count == before + 1
        assert not family.ended.done()
    assert {one["TWILIO_AUTH_TOKEN"] for one in started.environments} == {"made-up"}


async def test_a_child_that_lived_is_mended_at_once_again(started: Started) -> None:
    said: list[str] = []
    clock = ManualClock()
    family = Children(said.append, clock)
    async with family.running([CARRIER]):
        family.settled()
        await settle()
        for _ in range(3):
            await clock.advance(module.STEADY_AFTER_S)
            await started.crash()
        assert started.count == 4
        assert all("at once" in sentence for sentence in said)


async def test_what_never_was_ready_is_not_tried_again(started: Started) -> None:
    said: list[str] = []
    family = Children(said.append, ManualClock())
    async with family.running([CARRIER]):
        await settle()
        await started.crash(2)
        assert await family.ended == "the local carrier ended with exit code 2"
    assert said == []
    assert started.count == 1


async def test_a_server_that_ends_ends_it_all(started: Started) -> None:
    family = Children(lambda _text: None, ManualClock())
    async with family.running([CARRIER, SERVER]):
        family.settled()
        await settle()
        await started.crash(0)
        assert await family.ended == "the server ended with exit code 0"


@pytest.mark.skipif(sys.platform == "win32", reason="signals have no names there")
async def test_real_processes_are_stopped_when_the_block_ends() -> None:
    family = Children(lambda _text: None)
    async with family.running([Child("a command", ["simulate", "--help"], {})]):
        process = family._processes["a command"]
    assert process.returncode is not None
