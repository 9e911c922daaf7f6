from __future__ import annotations

import pytest

from bridge.sip.brake import Brake

HERE = "192.0.2.1"


def fail(brake: Brake, times: int, *, source: str = HERE, user: str = "alice", now_s: float = 0.0) -> None:
    for _ in range(times):
        brake.failed(source, user, now_s)


def test_four_failures_are_free_and_then_the_wait_doubles() -> None:
    brake, waits, now_s = Brake(free_of_address=1000), [], 0.0
    for _ in range(13):
        brake.failed(HERE, "alice", now_s)
        waits.append(brake.wait_s(HERE, "alice", now_s))
        now_s += waits[-1]
        assert brake.wait_s(HERE, "alice", now_s) == 0
    assert waits == [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300]


def test_a_wait_runs_down() -> None:
    brake = Brake()
    fail(brake, 6, now_s=10.0)
    assert [brake.wait_s(HERE, "alice", now_s) for now_s in (10.0, 12.5, 14.0, 99.0)] == [4.0, 1.5, 0.0, 0.0]


def test_others_are_not_slowed() -> None:
    brake = Brake()
    fail(brake, 6)
    assert brake.wait_s(HERE, "bob", 0.0) == 0
    assert brake.wait_s("192.0.2.2", "alice", 0.0) == 0
    assert brake.wait_s(HERE, None, 0.0) == 0


def test_trying_many_users_slows_the_whole_address() -> None:
    brake = Brake()
    for number in range(25):
        brake.failed(HERE, f"user{number}", 0.0)
    assert brake.wait_s(HERE, "alice", 0.0) == 2
    assert brake.wait_s(HERE, None, 0.0) == 2


def test_one_phone_with_an_old_password_does_not_lock_out_its_office() -> None:
    brake, refused = Brake(), 0
    for minute in range(6 * 60):
        for second in (0, 30):
            now_s = 60.0 * minute + second
            if brake.wait_s(HERE, "old", now_s) == 0:
                brake.failed(HERE, "old", now_s)
            refused += brake.wait_s(HERE, "good", now_s) > 0
            brake.ok(HERE, "good")
    assert refused == 0


def test_failures_without_a_name_count_for_the_address() -> None:
    brake = Brake()
    for _ in range(25):
        brake.failed(HERE, None, 0.0)
    assert brake.wait_s(HERE, "alice", 0.0) == 2
    assert len(brake) == 1


def test_a_success_clears_the_user_but_not_the_address() -> None:
    brake = Brake(free_of_address=5)
    fail(brake, 6)
    brake.ok(HERE, "alice")
    assert brake.wait_s(HERE, "alice", 0.0) == 2  # the address's own: its fifth failure
    assert brake.wait_s(HERE, "alice", 2.0) == 0
    fail(brake, 1, now_s=2.0)
    assert brake.wait_s(HERE, "alice", 2.0) == 4


def test_time_without_failures_forgets() -> None:
    brake = Brake()
    fail(brake, 8)
    fail(brake, 1, now_s=600.1)
    assert brake.wait_s(HERE, "alice", 600.1) == 0
    assert len(brake) == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("pbx.example", "pbx.example", True),
    ],
)
def test_addresses_of_one_customer_count_together(one: str, other: str, *, same: bool) -> None:
    brake = Brake()
    fail(brake, 5, source=one)
    assert (brake.wait_s(other, "alice", 0.0) > 0) is same


def test_memory_is_bounded_in_number_and_in_length() -> None:
    brake = Brake(most=100)
    for number in range(1000):
        brake.failed(f"10.0.{number // 256}.{number % 256}", "x" * 10_000, 0.0)
    assert len(brake) == 100
    assert max(len(user or "") for _, user in brake._tallies) == 64


def test_whoever_fails_still_is_not_the_one_forgotten() -> None:
    brake = Brake(most=10)
    for number in range(50):
        fail(brake, 1)
        brake.failed(f"10.0.0.{number}", "x", 0.0)
    assert brake.wait_s(HERE, "alice", 0.0) == 300
