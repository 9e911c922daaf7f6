"""A flood of the same warning fills nobody's disk."""

import io
import logging
from contextvars import copy_context

from bridge.calls.context import CALL_SID
from bridge.log_flood import MOST, WINDOW_S, Flood
from bridge.logs import logging_to

log = logging.getLogger("bridge.carrier.sip.reception")


def record(at_s: float, *, line: int = 1, level: int = logging.WARNING) -> logging.LogRecord:
    one = logging.LogRecord("bridge.x", level, "x.py", line, "a call from %s", ("host",), None)
    one.created = at_s
    return one


def test_the_same_warning_passes_twenty_times_in_ten_seconds() -> None:
    flood = Flood()
    passed = [flood.filter(record(100 + number / 1000)) for number in range(1000)]
    assert passed == [True] * MOST + [False] * (1000 - MOST)
    assert flood.kept_back == 1000 - MOST


def test_the_next_one_afterwards_says_how_many_were_kept_back() -> None:
    flood = Flood()
    for number in range(50):
        flood.filter(record(100 + number / 1000))
    after = record(100 + WINDOW_S)
    assert flood.filter(after)
    assert vars(after)["unsaid"] == 50 - MOST
    later = record(100 + 3 * WINDOW_S)
    assert flood.filter(later)
    assert "unsaid" not in vars(later)


def test_other_warnings_and_what_is_no_warning_are_not_touched() -> None:
    flood = Flood()
    for number in range(50):
        flood.filter(record(100 + number / 1000))
    assert flood.filter(record(100.1, line=2))
    assert all(flood.filter(record(100.1, line=1, level=logging.INFO)) for _ in range(50))


def test_a_clock_that_is_set_back_silences_nobody() -> None:
    flood = Flood()
    for number in range(50):
        flood.filter(record(1000 + number / 1000))
    assert flood.filter(record(500))


def test_what_belongs_to_a_call_always_passes() -> None:
    out = io.StringIO()

    def in_a_call() -> None:
        CALL_SID.set("CA1")
        for _ in range(100):
            log.warning("the phone is gone")

    with logging_to(out):
        copy_context().run(in_a_call)
    assert out.getvalue().count("the phone is gone call_sid=CA1") == 100


def test_the_log_ends_with_how_many_lines_it_lacks() -> None:
    out = io.StringIO()
    with logging_to(out):
        for _ in range(100):
            log.warning("nobody is there")
    assert out.getvalue().count("nobody is there") == MOST
    assert out.getvalue().endswith(f"{100 - MOST} warnings were not written because they repeated others\n")
