from __future__ import annotations

from bridge.carrier.simulation.echo import Echo
from bridge.carrier.simulation.report import CallResult, Spread
from bridge.carrier.simulation.text import report_text
from tests.carrier.simulation.test_report import GOOD, make


def test_a_good_run() -> None:
    report = make(GOOD, GOOD)
    text = report_text(report)
    assert "2 of 2 completed" in text
    assert "200 sent" in text
    assert "p50 20 ms, p99 40 ms, max 40 ms from mouth to ear" in text
    assert text.endswith("result       ok")


def test_failures_and_calls_never_made() -> None:
    report = make(GOOD, *[CallResult("CA2", "failed", failure="why")] * 2, asked=5)
    text = report_text(report)
    assert "2 × why" in text
    assert "2 × not made" in text
    assert "4 of 5 calls failed" in text


def test_what_was_not_measured_says_so() -> None:
    text = report_text(make(CallResult("CA1", "completed", sent_frames=5)))
    assert "none heard" in text
    assert "not compared" in text
    assert "own clock    not measured" in text


def test_a_machine_too_busy_is_told() -> None:
    assert "too busy" in report_text(make(GOOD, lateness=Spread(1.0, 11.0, 50.0)))
    assert "too busy" not in report_text(make(GOOD, lateness=Spread(1.0, 9.0, 50.0)))


def test_an_inexact_echo_is_marked() -> None:
    call = CallResult("CA1", "completed", sent_frames=5, echo=Echo((40.0,), exact=False))
    assert "not exact" in report_text(make(call))
