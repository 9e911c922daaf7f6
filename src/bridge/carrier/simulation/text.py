"""A simulation's report for people."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.carrier.simulation.report import LATE_LIMIT_MS, SimulationReport, Spread

_MAX_REASONS = 10


def report_text(report: SimulationReport) -> str:
    """Write the report, a line for each thing measured, the verdict last."""
    return "\n".join(_lines(report))


def _lines(report: SimulationReport) -> Iterator[str]:
    data = report.as_dict()
    yield (
        f"calls        {data['completed']} of {report.asked} completed, at most {report.peak} at once,"
        f" in {report.wall_s:.1f} s"
    )
    yield f"frames       {data['sent_frames']} sent, {data['dropped_frames']} dropped by a slow server"
    yield _server_line(report)
    yield from _echo_lines(report)
    yield f"answer       {_spread(report.setup)} after the call came in"
    yield f"own clock    {_spread(report.lateness)} late"
    if report.ticker_restarts or (report.lateness is not None and report.lateness.p99 > LATE_LIMIT_MS):
        yield "             this machine was too busy to measure well: use fewer calls, or a second machine"
    for reason, count in report.failures()[:_MAX_REASONS]:
        yield f"failed       {count} × {reason}"
    unmade = report.asked - len(report.calls)
    if unmade:
        yield f"failed       {unmade} × not made: stopped before"
    verdict = "ok" if report.exit_code == 0 else f"{report.failed} of {report.asked} calls failed"
    yield f"result       {verdict}"


def _server_line(report: SimulationReport) -> str:
    server = report.as_dict()["server"]
    if server is None:
        return f"server       not compared: {report.comparison or 'no call was known to it'}"
    line = (
        f"server       {server['frames']} frames taken in {server['calls']} calls, {server['gaps']} gaps,"
        f" {server['filled_ms']} ms filled with silence"
    )
    return line if report.comparison is None else f"{line} ({report.comparison})"


def _echo_lines(report: SimulationReport) -> Iterator[str]:
    data = report.as_dict()
    if report.round_trip is None:
        yield "echo         none heard: run the server with its echo sink to measure one"
        return
    how = "" if data["echo"]["exact"] else " (by the first sound: the echo is not exact)"
    yield f"echo         {_spread(report.round_trip)} from mouth to ear{how}"
    yield (
        f"             {data['heard_frames']} frames heard, {data['echo']['lost_markers']} pieces lost,"
        f" {data['echo']['gaps']} gaps of {data['echo']['gap_ms']:g} ms together"
    )


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "not measured"
    return f"p50 {spread.p50:g} ms, p99 {spread.p99:g} ms, max {spread.max:g} ms"
