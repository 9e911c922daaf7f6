from __future__ import annotations

import asyncio

import pytest

from bridge.carrier.call.race import first_of


async def test_the_first_one_wins_and_the_others_are_cleaned_up() -> None:
    cleaned: list[str] = []

    async def slow(name: str) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(name)
        return name

    async def quick() -> str:
        await asyncio.sleep(0)
        return "result"

    assert await first_of(a=slow("a"), b=quick(), c=slow("c")) == ("b", "result")
    assert cleaned == ["a", "c"]


async def test_of_several_at_once_the_one_named_first_wins() -> None:
    async def value(number: int) -> int:
        return number

    assert await first_of(x=value(1), y=value(2)) == ("x", 1)


async def test_an_exception_comes_out_bare() -> None:
    async def fails() -> None:
        raise KeyError("mine")

    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(KeyError, match="mine"):
        await first_of(a=waits(), b=fails())


async def test_a_cancelled_wait_cancels_all() -> None:
    ended = 0

    async def waits() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(first_of(a=waits(), b=waits()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert ended == 2
