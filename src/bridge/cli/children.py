"""The processes of ``bridge up``: started together, started again after a crash, stopped together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from bridge.clock import Clock, SystemClock

STOP_WITHIN_S: Final = 30.0
"""How long a child may take to finish its calls before it is killed: more than the server's own limit."""

STEADY_AFTER_S: Final = 10.0
"""A child that lived so long did not crash at once: it is started again without a pause."""

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
"""Between crashes at once the pause doubles from the one to the other."""


@dataclass(frozen=True, slots=True)
class Child:
    """
    One process of the product.

    Attributes:
        title: What people call it, e.g. ``"the server"``.
        arguments: Those after ``python -m bridge``.
        environment: What it needs on top of, or instead of, our own environment.
        is_restarted: Whether it is started again, with the same environment, when it ends by itself. Only
            once everything has been ready: what cannot start at all will not be mended by trying.

    """

    title: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    is_restarted: bool = False


class Children:
    """
    Processes that run together.

    Args:
        say: Tells the user what happens to them.
        clock: For the pauses between crashes.

    Attributes:
        ended: Once ``running`` was entered: a task that ends, with one sentence, when one of them has ended
            by itself and is not started again.

    """

    def __init__(self, say: Callable[[str], None], clock: Clock | None = None) -> None:
        self.ended: asyncio.Task[str]
        self._say: Final = say
        self._clock: Final = clock or SystemClock()
        self._processes: dict[str, Process] = {}
        self._is_settled = False

    def settled(self) -> None:
        """Everything was ready: from now on a crash is an accident."""
        self._is_settled = True

    @asynccontextmanager
    async def running(self, children: Sequence[Child]) -> AsyncIterator[None]:
        """Run these for as long as the block runs, then stop them in good order."""
        try:
            for (
                child
            ) in children:  # one by one, so that those already started are stopped if the next cannot be
                self._processes[child.title] = await _start(child)
            async with asyncio.TaskGroup() as tasks:
                self.ended = tasks.create_task(self._first_end(children))
                try:
                    yield
                finally:
                    self.ended.cancel()
        finally:
            await asyncio.gather(*(_stop(process) for process in self._processes.values()))

    async def _first_end(self, children: Sequence[Child]) -> str:
        async with asyncio.TaskGroup() as tasks:
            keeping = [tasks.create_task(self._keep(child)) for child in children]
            done, others = await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                other.cancel()
        return next(iter(done)).result()

    async def _keep(self, child: Child) -> str:
        """Start a child again as often as it crashes; return how it ended if it is left so."""
        pause_s = 0.0
        while True:
            began_s = self._clock.now_s()
            how = _sentence(child, await self._processes[child.title].wait())
            if not (child.is_restarted and self._is_settled):
                return how
            if self._clock.now_s() - began_s >= STEADY_AFTER_S:
                pause_s = 0.0
            after = f"in {pause_s:.0f} s" if pause_s else "at once"
            self._say(f"bridge: {how}; its calls are lost. It is started again {after}.")
            await self._clock.sleep_until_s(self._clock.now_s() + pause_s)
            pause_s = min(max(2 * pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            self._processes[child.title] = await _start(child)


async def _start(child: Child) -> Process:
    # A session of its own, so that Ctrl-C reaches the parent alone and children are stopped in order. The
    # pipe is never written to: its end tells a child that the parent is gone (see process.py).
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge",
        *child.arguments,
        "--stop-with-stdin",
        stdin=PIPE,
        env={**os.environ, **child.environment},
        start_new_session=True,
    )


def _sentence(child: Child, code: int) -> str:
    how = f"with exit code {code}" if code >= 0 else f"by signal {signal.Signals(-code).name}"
    return f"{child.title} ended {how}"


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
