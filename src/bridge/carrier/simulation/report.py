"""What a simulation found out: per call, in sum, as text and as data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bridge.carrier.simulation.echo import Echo

LATE_LIMIT_MS: Final = 10.0
"""Where the simulator's own clock is later than this at p99, its other numbers say little."""


@dataclass(frozen=True, slots=True)
class ServerCount:
    """
    What the server says of one call's streams, from ``GET /calls/{sid}``.

    Attributes:
        frames: Frames it took.
        gaps: How often it found audio missing.
        filled_ms: Silence it put in instead.

    """

    frames: int
    gaps: int
    filled_ms: int


@dataclass(frozen=True, slots=True)
class CallResult:
    """
    One simulated call.

    Attributes:
        sid: ``CA…``.
        status: How it ended.
        sent_frames: Frames sent to the server.
        dropped_frames: Frames dropped before sending, because the server read too slowly.
        heard_frames: Frames of the server's audio the phone heard.
        setup_ms: From its beginning to its answer: the webhook, and what its TwiML did before answering.
        echo: What it heard of itself.
        server: The server's own count, ``None`` if it was not to be had.
        failure: Why it is no success; ``None`` if it is one.

    """

    sid: str
    status: str
    sent_frames: int = 0
    dropped_frames: int = 0
    heard_frames: int = 0
    setup_ms: float | None = None
    echo: Echo = field(default_factory=Echo)
    server: ServerCount | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Half of the values lie below ``p50``, 99 of 100 below ``p99``."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Sum values up; ``None`` if there are none."""
        ordered = sorted(values)
        if not ordered:
            return None
        p50, p99 = (ordered[math.ceil(part * len(ordered)) - 1] for part in (0.5, 0.99))
        return cls(round(p50, 1), round(p99, 1), round(ordered[-1], 1))


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """
    All of a simulation.

    Attributes:
        calls: Every call's result, in the order in which they ended.
        asked: How many calls were to be made.
        peak: The most that were live at once.
        wall_s: How long it all took.
        lateness: The simulator's own lateness per 20 ms frame, in milliseconds.
        ticker_restarts: How often its clock stood still for seconds.
        comparison: Why the server's counts are not there; ``None`` if they are.

    """

    calls: Sequence[CallResult]
    asked: int
    peak: int
    wall_s: float
    lateness: Spread | None
    ticker_restarts: int = 0
    comparison: str | None = None

    @property
    def failed(self) -> int:
        """Calls that were no success, those never made included."""
        return self.asked - sum(call.failure is None for call in self.calls)

    @property
    def exit_code(self) -> int:
        """0 if every call completed and no frame was lost."""
        return 1 if self.failed else 0

    @property
    def round_trip(self) -> Spread | None:
        """Of the echo, over all markers of all calls, in milliseconds; ``None`` without an echo."""
        return Spread.of(trip_ms for call in self.calls for trip_ms in call.echo.round_trips_ms)

    @property
    def setup(self) -> Spread | None:
        """From a call's beginning to its answer, in milliseconds."""
        return Spread.of(call.setup_ms for call in self.calls if call.setup_ms is not None)

    def failures(self) -> list[tuple[str, int]]:
        """Every reason for failure and how often it was given, the commonest first."""
        return Counter(call.failure for call in self.calls if call.failure is not None).most_common()

    def as_dict(self) -> dict[str, Any]:
        """Give everything as plain data, for JSON."""
        return {
            "asked": self.asked,
            "completed": self.asked - self.failed,
            "failed": self.failed,
            "failures": dict(self.failures()),
            "peak_concurrent": self.peak,
            "wall_s": round(self.wall_s, 2),
            "sent_frames": _sum(self.calls, "sent_frames"),
            "dropped_frames": _sum(self.calls, "dropped_frames"),
            "heard_frames": _sum(self.calls, "heard_frames"),
            "server": self._server(),
            "comparison": self.comparison,
            "round_trip_ms": _dict(self.round_trip),
            "echo": {
                "exact": all(call.echo.exact for call in self.calls),
                "lost_markers": sum(call.echo.lost for call in self.calls),
                "gaps": sum(call.echo.gaps for call in self.calls),
                "gap_ms": round(sum(call.echo.gap_ms for call in self.calls), 1),
            },
            "setup_ms": _dict(self.setup),
            "lateness_ms": _dict(self.lateness),
            "ticker_restarts": self.ticker_restarts,
            "calls": [_call_dict(call) for call in self.calls],
            "exit_code": self.exit_code,
        }

    def _server(self) -> dict[str, int] | None:
        counts = [call.server for call in self.calls if call.server is not None]
        if not counts:
            return None
        return {
            "calls": len(counts),
            "frames": sum(count.frames for count in counts),
            "gaps": sum(count.gaps for count in counts),
            "filled_ms": sum(count.filled_ms for count in counts),
        }


def _sum(calls: Sequence[CallResult], name: str) -> int:
    return sum(getattr(call, name) for call in calls)


def _dict(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else asdict(spread)


def _call_dict(call: CallResult) -> dict[str, Any]:
    shown = asdict(call)
    shown["echo"]["round_trips_ms"] = _dict(Spread.of(call.echo.round_trips_ms))
    return shown
