"""Wait for whichever of several things happens first, and leave none of the others running."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


async def first_of(**runners: Coroutine[object, object, T]) -> tuple[str, T]:
    """
    Run all until one is done, cancel the others and wait until they have cleaned up.

    When several are done at once, the one named first wins.

    Args:
        runners: Coroutines by name.

    Returns:
        The name and the result of the first one done.

    Raises:
        Exception: Whatever the first one raised; the others' ends are not looked at.

    """
    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(_outcome(runner)) for name, runner in runners.items()}
        await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
        name, winner = next((name, task) for name, task in tasks.items() if task.done())
        for task in tasks.values():
            task.cancel()
    result = winner.result()
    if isinstance(result, Exception):
        raise result
    return name, result


async def _outcome(runner: Coroutine[object, object, T]) -> T | Exception:
    """Turn an exception into a value, so that it reaches the waiter bare and not inside an ExceptionGroup."""
    try:
        return await runner
    except Exception as fault:  # noqa: BLE001  (raised again by first_of, unless another was first)
        return fault
