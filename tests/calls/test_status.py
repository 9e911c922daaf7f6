"""The tables of states and ends."""

from __future__ import annotations

from typing import get_args

import pytest

from bridge.calls.status import (
    FINAL,
    FOLLOWING,
    RESULTS,
    STATUSES,
    STREAM_REASONS,
    Reason,
    Result,
    Status,
    Termination,
    is_status,
    reason_of,
)


def test_the_table_knows_every_state() -> None:
    assert set(FOLLOWING) == set(STATUSES)
    assert {status for status, following in FOLLOWING.items() if not following} == FINAL


def test_no_state_leads_back_to_itself() -> None:
    def reachable(status: Status) -> set[Status]:
        return set(FOLLOWING[status]).union(*(reachable(following) for following in FOLLOWING[status]))

    assert not [status for status in STATUSES if status in reachable(status)]


def test_every_state_but_the_first_can_be_reached() -> None:
    assert frozenset[Status]().union(*FOLLOWING.values()) == set(STATUSES) - {"queued"}


def test_every_reason_has_a_result_and_every_result_is_used() -> None:
    assert set(RESULTS) == set(get_args(Reason))
    assert set(RESULTS.values()) == set(get_args(Result))


@pytest.mark.parametrize(
    ("status", "sip_status", "reason", "result"),
    [
        ("completed", 200, "completed", "success"),
        ("completed", None, "completed", "success"),
        ("busy", 486, "busy", "client"),
        ("no-answer", 487, "no_answer", "client"),
        ("canceled", 487, "canceled", "client"),
        ("failed", 404, "unknown_number", "client"),
        ("failed", 603, "rejected", "client"),
        ("failed", 503, "carrier_failed", "upstream"),
        ("failed", None, "carrier_failed", "upstream"),
    ],
)
def test_reasons(status: Status, sip_status: int | None, reason: Reason, result: Result) -> None:
    assert reason_of(status, sip_status) == reason
    assert Termination(reason_of(status, sip_status)).result == result


def test_ends_of_streams_are_ends_of_calls() -> None:
    assert set(STREAM_REASONS) == {"stop", "lost", "hangup", "shutdown", "stalled"}
    assert {Termination(reason).result for reason in STREAM_REASONS.values()} == {
        "success",
        "server",
        "upstream",
    }


def test_names() -> None:
    assert all(map(is_status, STATUSES))
    assert not any(map(is_status, ["in_progress", "", "Completed"]))
