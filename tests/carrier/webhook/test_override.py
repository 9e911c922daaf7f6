from __future__ import annotations

import pytest

from bridge.carrier.webhook.override import ConnectionOverrides, read_overrides


def read(fragment: str) -> tuple[ConnectionOverrides, list[str]]:
    told: list[str] = []
    return read_overrides(fragment, told.append), told


def test_the_defaults_are_those_of_twilio() -> None:
    overrides, told = read("")
    assert (overrides.connect_ms, overrides.read_ms, overrides.total_ms, overrides.retries) == (
        5000,
        15000,
        15000,
        1,
    )
    assert overrides.retries_on("ct")
    assert not overrides.retries_on("rt")
    assert not overrides.retries_on("other")
    assert told == []


def test_everything_can_be_set() -> None:
    overrides, told = read("ct=100&rt=200&tt=300&rc=5&rp=5xx,rt&sni=n&e=dublin")
    assert overrides == ConnectionOverrides(100, 200, 300, 5, frozenset({"5xx", "rt"}))
    assert told == []
    assert not overrides.retries_on("ct")


def test_all_covers_every_failure() -> None:
    overrides, _ = read("rp=all")
    assert all(overrides.retries_on(policy) for policy in ("ct", "rt", "4xx", "5xx", "other"))


@pytest.mark.parametrize(
    "fragment", ["ct=99", "ct=10001", "rt=x", "tt=", "rc=6", "rc=-1", "ct=１００", "rp=7xx", "zz=1"]
)
def test_what_cannot_be_used_is_told_and_the_default_holds(fragment: str) -> None:
    overrides, told = read(fragment)
    assert len(told) == 1
    assert overrides.connect_ms == 5000
    assert overrides.retries == 1
