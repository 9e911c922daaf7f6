"""One-shot stream tokens."""

import pytest

from bridge.testing import ManualClock
from bridge.web.token import Promise, TokenOffice


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def office(clock: ManualClock, secret: str | None = "auth token") -> TokenOffice:
    return TokenOffice(secret, ttl_s=3600, clock=clock)


def test_a_token_is_good_once_and_brings_back_what_was_promised(clock: ManualClock) -> None:
    desk = office(clock)
    token = desk.mint(Promise(sinks=("wav",)))
    assert desk.take(token) == Promise(sinks=("wav",))
    assert desk.take(token) is None


def test_a_token_outlives_a_restart_but_not_another_secret(clock: ManualClock) -> None:
    token = office(clock).mint()
    assert office(clock).take(token) == Promise()
    assert office(clock, "another").take(token) is None
    assert office(clock, None).take(office(clock, None).mint()) is None


async def test_a_token_expires(clock: ManualClock) -> None:
    desk = office(clock)
    token = desk.mint()
    await clock.advance(3599)
    assert desk.take(desk.mint()) is not None
    await clock.advance(2)
    assert desk.take(token) is None


@pytest.mark.parametrize("forged", ["", "x", "1.2.3", "9999999999.abc.", "²3.a.b", "1" * 400, "\ud800.a.b"])
def test_nonsense_is_no_token(clock: ManualClock, forged: str) -> None:
    assert office(clock).take(forged) is None


def test_every_part_is_signed(clock: ManualClock) -> None:
    desk = office(clock)
    expires, nonce, signature = desk.mint().split(".")
    assert desk.take(f"{int(expires) + 1}.{nonce}.{signature}") is None
    assert desk.take(f"{expires}.{nonce[:-1]}.{signature}") is None
    assert desk.take(f"{expires}.{nonce}.{signature[:-1]}") is None


def test_a_token_fits_a_parameter_with_room_to_spare(clock: ManualClock) -> None:
    assert len(office(clock).mint()) < 100


async def test_used_tokens_are_forgotten_once_they_have_expired_anyway(clock: ManualClock) -> None:
    desk = office(clock)
    for _ in range(100):
        assert desk.take(desk.mint()) is not None
    await clock.advance(4000)
    desk.take(desk.mint())
    assert len(desk._used) == 1
