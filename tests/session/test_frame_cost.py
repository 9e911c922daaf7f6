"""
What a frame costs, counted and not timed: every function that is called for it, in Python or in C.

Times differ from machine to machine and from minute to minute, counts do not. A bound that has to be raised
is a decision, not a nuisance.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

from bridge.session.facts import SessionOptions
from bridge.session.session import Session
from bridge.testing import ManualClock, RecordingSocket, settle
from tests.web.intake_stage import IntakeStage, TextFrame

FRAMES = 500


class QuietSocket(RecordingSocket):
    """Takes everything and remembers nothing."""

    def send(self, message: bytes) -> bool:
        return True


class SteppedClock(ManualClock):
    """Turned without letting anybody run."""

    def step(self) -> None:
        """A frame's time later."""
        self._now_s += 0.02


class Stage(IntakeStage[SteppedClock]):
    """An open stream whose frames are counted."""

    def __init__(self) -> None:
        super().__init__(SteppedClock(), QuietSocket(), SessionOptions())

    def calls_per_frame(self) -> float:
        """How many functions one frame calls, on the average."""
        messages = [self.twilio.media(bytes(160), 100 + 20 * number).decode() for number in range(FRAMES)]
        count = 0

        def profile(_frame: FrameType, event: str, _argument: Any) -> None:
            nonlocal count
            count += event in {"call", "c_call"}

        frames: list[Any] = [TextFrame(message) for message in messages]
        take, step = self._frames.on_ws_frame, self.clock.step
        transport: Any = None
        for number, frame in enumerate(frames):
            step()
            if number >= 100:  # the stream has settled
                sys.setprofile(profile)
            take(transport, frame)
            sys.setprofile(None)
        return count / (FRAMES - 100)


async def nobody(_session: Session) -> object:
    return None


async def discard(session: Session) -> object:
    return session.listen(encoding="mulaw", chunk_ms=1000, max_queue_ms=60_000)


async def record(session: Session) -> object:
    return session.listen("both", encoding="mulaw", chunk_ms=500, max_queue_ms=60_000)


async def echo(session: Session) -> object:
    return await session.play(session.listen(encoding="mulaw"), max_queue_ms=400)


@pytest.mark.parametrize(("feature", "most"), [(nobody, 10.5), (discard, 10.5), (record, 10.5), (echo, 21)])
async def test_a_frame_calls_few_functions(
    feature: Callable[[Session], Awaitable[object]], most: float
) -> None:
    stage = Stage()
    session = stage.session
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run([]))
        await settle()
        kept = await feature(session)
        cost = stage.calls_per_frame()
        session.end("lost")
    del kept
    assert cost <= most, f"{cost:.1f} calls a frame"
