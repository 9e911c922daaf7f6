from __future__ import annotations

import pytest

from bridge.carrier.sip.port_pool import PortPool
from bridge.errors import SipUnreachable


def test_ports_are_even_and_have_their_neighbour_in_the_range() -> None:
    pool = PortPool(30_001, 30_006)
    assert [pool.take(0.0), pool.take(0.0)] == [30_002, 30_004]
    assert pool.size == 2
    with pytest.raises(SipUnreachable, match="no port is free"):
        pool.take(0.0)


def test_a_port_that_was_given_back_rests_and_comes_last() -> None:
    pool = PortPool(30_000, 30_003, rest_s=5.0)
    first, second = pool.take(0.0), pool.take(0.0)
    pool.release(first, 1.0)
    pool.release(first, 1.0)
    pool.release(second, 3.0)
    with pytest.raises(SipUnreachable):
        pool.take(5.9)
    assert pool.take(6.0) == first
    with pytest.raises(SipUnreachable):
        pool.take(7.9)
    assert pool.take(8.0) == second


def test_a_port_nobody_took_is_not_taken_back() -> None:
    pool = PortPool(30_000, 30_001)
    pool.release(40_000, 0.0)
    assert pool.size == 1


@pytest.mark.parametrize(
    ("first", "last"), [(30_000, 30_000), (30_001, 30_002), (0, 10), (65_000, 65_536), (9, 8)]
)
def test_a_range_without_a_pair_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        PortPool(first, last)
