"""The processes of ``bridge up``: started together, stopped together, none left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

STOP_WITHIN_S: Final = 30.0
"""How long a child may take to finish its calls before it is killed: more than the server's own limit."""


@dataclass(frozen=True, slots=True)
class Child:
    """
    One process of the product.

    Attributes:
        title: What people call it, e.g. ``"the server"``.
        arguments: Those after ``python -m bridge``.
        environment: What it needs on top of, or instead of, our own environment.

    """

    title: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


@asynccontextmanager
async def started(children: Sequence[Child]) -> AsyncIterator[asyncio.Task[str]]:
    """
    Run these processes for as long as the block runs, then stop them in good order.

    Yields:
        A task that ends, with one sentence, when the first of them has ended by itself.

    """
    processes: list[tuple[Child, Process]] = []
    try:
        for child in children:  # one by one, so that those already started are stopped if the next cannot be
            processes.append((child, await _start(child)))  # noqa: PERF401
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(_first_end(processes))
            try:
                yield ended
            finally:
                ended.cancel()
    finally:
        await asyncio.gather(*(_stop(process) for _, process in processes))


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


async def _first_end(processes: Sequence[tuple[Child, Process]]) -> str:
    async def sentence(child: Child, process: Process) -> str:
        code = await process.wait()
        how = f"with exit code {code}" if code >= 0 else f"by signal {signal.Signals(-code).name}"
        return f"{child.title} ended {how}"

    waiting = asyncio.as_completed([sentence(child, process) for child, process in processes])
    for first in waiting:
        return await first
    raise ValueError("no process to wait for")


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
