from __future__ import annotations

import json

from bridge.carrier.simulation.echo import Echo
from bridge.carrier.simulation.report import CallResult, ServerCount, SimulationReport, Spread


def make(*calls: CallResult, asked: int | None = None, lateness: Spread | None = None) -> SimulationReport:
    return SimulationReport(calls, asked or len(calls), peak=2, wall_s=3.14159, lateness=lateness)


GOOD = CallResult(
    "CA1",
    "completed",
    sent_frames=100,
    heard_frames=90,
    setup_ms=12.34,
    echo=Echo((20.0, 40.0), lost=1, gaps=1, gap_ms=20.0),
    server=ServerCount(100, 0, 0),
)


def test_spread() -> None:
    assert Spread.of([]) is None
    assert Spread.of([5.0]) == Spread(5.0, 5.0, 5.0)
    assert Spread.of(float(value) for value in range(1, 201)) == Spread(100.0, 198.0, 200.0)


def test_all_good_is_exit_code_zero() -> None:
    report = make(GOOD, GOOD)
    assert (report.exit_code, report.failed) == (0, 0)
    assert report.round_trip == Spread(20.0, 40.0, 40.0)
    data = json.loads(json.dumps(report.as_dict()))
    assert data["completed"] == 2
    assert data["server"] == {"calls": 2, "frames": 200, "gaps": 0, "filled_ms": 0}
    assert data["echo"] == {"exact": True, "lost_markers": 2, "gaps": 2, "gap_ms": 40.0}
    assert data["calls"][0]["echo"]["round_trips_ms"] == {"p50": 20.0, "p99": 40.0, "max": 40.0}


def test_failures_are_counted_by_reason_and_calls_never_made_too() -> None:
    report = make(
        GOOD, CallResult("CA2", "failed", failure="why"), CallResult("CA3", "failed", failure="why"), asked=5
    )
    assert (report.exit_code, report.failed) == (1, 4)
    assert report.failures() == [("why", 2)]
