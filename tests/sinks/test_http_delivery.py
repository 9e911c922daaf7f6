"""When a request is repeated, and when it is given up; the clock turned by hand."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime
from random import Random

import pytest
from aiohttp import web

from bridge.sinks.back_off import BackOff
from bridge.sinks.http_delivery import MAX_RETRY_AFTER_S, Delivery
from bridge.testing import ManualClock
from tests.sinks.receivers import Receiver


class Whole(Random):
    """No jitter: every pause is as long as it may be."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Jumping(ManualClock):
    """Whoever sleeps finds the time gone by at once."""

    def __init__(self) -> None:
        super().__init__()
        self.woken_s = [0.0]

    async def sleep_until_s(self, deadline_s: float) -> None:
        self.woken_s.append(deadline_s)
        await self.advance(deadline_s - self.now_s())


async def attempts_at(receiver: Receiver, *, retry_s: float) -> tuple[list[float], str | None]:
    """Post once; gives when each attempt was made, and the result."""
    clock = Jumping()
    back_off = BackOff(Whole())
    async with (
        receiver.running() as url,
        Delivery(url, headers={}, timeout_s=5, retry_s=retry_s, clock=clock, back_off=back_off) as way,
    ):
        fault = await way.post({}, b"audio")
    assert len(receiver.requests) == len(clock.woken_s)
    return clock.woken_s, fault


async def test_pauses_double_until_the_time_is_over() -> None:
    times, fault = await attempts_at(Receiver(*[503] * 9), retry_s=12)
    assert times == [0, 0.25, 0.75, 1.75, 3.75, 7.75]
    assert fault == "it answered 503, and so for 12 s"


async def test_without_time_there_is_one_attempt() -> None:
    times, fault = await attempts_at(Receiver(500), retry_s=0)
    assert times == [0]
    assert fault is not None


@pytest.mark.parametrize(("asked", "waited_s"), [("3", 3.0), ("0", 0.25), ("soon", 0.25), ("9999", 30.0)])
async def test_retry_after_is_honoured_within_its_bound(asked: str, waited_s: float) -> None:
    busy = web.Response(status=429, headers={"Retry-After": asked})
    times, fault = await attempts_at(Receiver(busy), retry_s=60)
    assert times == [0, pytest.approx(waited_s, abs=0.02)]
    assert fault is None
    assert waited_s <= MAX_RETRY_AFTER_S


async def test_retry_after_may_be_a_date() -> None:
    at = format_datetime(ManualClock().utc() + timedelta(seconds=7), usegmt=True)
    busy = web.Response(status=503, headers={"Retry-After": at})
    times, _ = await attempts_at(Receiver(busy), retry_s=60)
    assert times == [0, pytest.approx(7, abs=0.02)]


async def test_who_asks_for_more_time_than_there_is_is_not_asked_again() -> None:
    busy = web.Response(status=429, headers={"Retry-After": "20"})
    times, fault = await attempts_at(Receiver(busy), retry_s=10)
    assert times == [0]
    assert fault == "it answered 429, and so for 10 s"


async def test_no_answer_in_time_is_a_fault_of_its_own() -> None:
    async def wait() -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with (
        Receiver(wait).running() as url,
        Delivery(url, headers={}, timeout_s=0.05, retry_s=0) as way,
    ):
        assert await way.post({}, b"") == "no answer within 0.05 s, and so for 0 s"


def test_pauses_differ_and_have_a_bound() -> None:
    back_off = BackOff()
    pauses_s = [back_off.next_s() for _ in range(50)]
    assert 0.125 <= pauses_s[0] <= 0.25
    assert all(2.5 <= pause_s <= 5 for pause_s in pauses_s[5:])
    assert len(set(pauses_s)) > 40
    back_off.reset()
    assert back_off.next_s() <= 0.25
