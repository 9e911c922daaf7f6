"""
Plays Twilio: many incoming calls at once, from a WAV file, against a running server.

Every call is whole: the signed webhook, its TwiML run, the media stream in real time, the phone hanging up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.carrier.call.call import CarrierCall, new_sid
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.call.turnstile import Turnstile
from bridge.carrier.phone.route import CALLER_NUMBER
from bridge.carrier.simulation.caller import SimulatedCaller
from bridge.carrier.simulation.count import ServerCounts
from bridge.carrier.simulation.echo import Markers
from bridge.carrier.simulation.report import CallResult, ServerCount, SimulationReport, Spread
from bridge.clock import Clock
from bridge.ticker import FRAME_S

_LONGER_THAN_SPOKEN_S: Final = 120
"""A call that goes on for so long after its phone could have finished is ended."""

_MAX_LATENESS_VALUES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """
    What to simulate.

    Attributes:
        server_url: Base URL of the server, e.g. ``http://127.0.0.1:5050``.
        spoken: What each caller says, μ-law at 8 kHz.
        calls: How many calls in all.
        concurrent: How many at once at most.
        calls_per_second: How many begin in a second at most.
        hang_up_after_s: How long a caller stays after its last word; an echo needs that long to come back.
        account_sid: ``AC…``; made up if ``None``.
        auth_token: Signs webhooks and sockets; ``None`` leaves signatures out.
        voice_url: The voice webhook; the server's ``/incoming-call`` by default.
        to: The number called.
        api_key: For the server's own count of each call; ``None`` asks without one.
        compare: Whether to ask the server for its count.

    """

    server_url: str
    spoken: bytes
    calls: int = 1
    concurrent: int = 1
    calls_per_second: float = 10.0
    hang_up_after_s: float = 1.0
    account_sid: str | None = None
    auth_token: str | None = None
    voice_url: str | None = None
    to: str = CALLER_NUMBER
    api_key: str | None = None
    compare: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation is, told whenever a call ends."""

    done: int
    failed: int
    live: int
    asked: int


class Simulation:
    """
    One run of a plan.

    Args:
        plan: What to do.
        clock: Time.
        on_progress: Told of every call's end.

    """

    def __init__(
        self, plan: SimulationPlan, *, clock: Clock, on_progress: Callable[[Progress], None] | None = None
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._on_progress = on_progress
        self._markers = Markers(plan.spoken)
        self._exchange = Exchange(
            plan.account_sid or new_sid("AC"),
            plan.auth_token,
            clock=clock,
            find_leg=lambda _call: None,
            max_calls=plan.concurrent + 1,  # live ones; those that ended are forgotten
        )
        self._counts = ServerCounts(plan.server_url, api_key=plan.api_key, clock=clock)
        self._results: list[CallResult] = []
        self._lateness_ms: list[float] = []
        self._live = 0
        self._peak = 0

    async def run(self) -> SimulationReport:
        """Make all calls and sum them up. Raises nothing for what the server does: that is in the report."""
        started_s = self._clock.now_s()
        places = asyncio.Semaphore(self._plan.concurrent)
        turnstile = Turnstile(self._plan.calls_per_second, self._clock)
        async with self._exchange.running(), self._counts.running():
            self._exchange.ticker.add(self._probe())
            async with asyncio.TaskGroup() as group:
                for number in range(self._plan.calls):
                    await places.acquire()
                    await turnstile.turn()
                    self._live += 1
                    self._peak = max(self._peak, self._live)
                    group.create_task(self._call(number, places))
        return self.report(self._clock.now_s() - started_s)

    def report(self, wall_s: float) -> SimulationReport:
        """Sum up what has ended so far."""
        earliest_ms = min(self._lateness_ms, default=0.0)
        return SimulationReport(
            calls=tuple(self._results),
            asked=self._plan.calls,
            peak=self._peak,
            wall_s=wall_s,
            # The earliest wake-up stands for the schedule: the first one may have been late itself.
            lateness=Spread.of(late_ms - earliest_ms for late_ms in self._lateness_ms),
            ticker_restarts=self._exchange.ticker.restarts,
            comparison=self._counts.why_not if self._plan.compare else "not asked for",
        )

    async def _call(self, number: int, places: asyncio.Semaphore) -> None:
        caller = SimulatedCaller(
            self._plan.spoken, clock=self._clock, hang_up_after_s=self._plan.hang_up_after_s
        )
        try:
            call = await self._exchange.receive(self._request(number), caller)
            count = await self._counts.of(call) if self._plan.compare and call.streams else None
            self._results.append(self._result(call, caller, count))
        finally:
            self._live -= 1
            places.release()
        if self._on_progress is not None:
            failed = sum(done.failure is not None for done in self._results)
            self._on_progress(Progress(len(self._results), failed, self._live, self._plan.calls))

    def _request(self, number: int) -> CallRequest:
        url = self._plan.voice_url or f"{self._plan.server_url.rstrip('/')}/incoming-call"
        return CallRequest(
            to=self._plan.to,
            from_=f"+1202555{100 + number % 100:04d}",  # 555-0100 to 555-0199 are kept for fiction
            document=Document(url=url),
            time_limit_s=len(self._plan.spoken) / 8000 + _LONGER_THAN_SPOKEN_S,
        )

    def _result(self, call: CarrierCall, caller: SimulatedCaller, count: ServerCount | None) -> CallResult:
        setup_ms = None
        if call.answered is not None and call.started is not None:
            setup_ms = (call.answered - call.started).total_seconds() * 1000
        sent_frames = sum(stream.sent_frames for stream in call.streams)
        return CallResult(
            sid=call.sid,
            status=call.status,
            sent_frames=sent_frames,
            dropped_frames=sum(stream.dropped_frames for stream in call.streams),
            heard_frames=sum(stream.heard_frames for stream in call.streams),
            setup_ms=setup_ms,
            echo=caller.ear.echo(self._markers),
            server=count,
            failure=failure_of(call, count),
        )

    def _probe(self) -> Callable[[], None]:
        """Make a member of the ticker that measures how late it is called."""
        first_s: float | None = None
        frames = 0

        def probe() -> None:
            nonlocal first_s, frames
            now_s = self._clock.now_s()
            if first_s is None:
                first_s = now_s
            if len(self._lateness_ms) < _MAX_LATENESS_VALUES:
                self._lateness_ms.append((now_s - first_s - frames * FRAME_S) * 1000)
            frames += 1

        return probe


def failure_of(call: CarrierCall, count: ServerCount | None) -> str | None:
    """Say why a call is no success: it did not complete, had no stream, or lost frames."""
    told = f": {call.alerts[-1]}" if call.alerts else ""
    if call.status != "completed":
        return f"{call.status}{told}"
    if not call.streams:
        return f"no media stream was asked for{told}"
    for stream in call.streams:
        if stream.reason == "failed":
            return f"stream failed: {stream.error_code} {stream.error}"
    dropped = sum(stream.dropped_frames for stream in call.streams)
    if dropped:
        return "frames were dropped: the server read too slowly"
    sent = sum(stream.sent_frames for stream in call.streams)
    if not sent:
        return "no frame was sent: the server closed the stream at once"
    if count is not None and (count.frames != sent or count.gaps):
        return "the server counted other frames than were sent, or gaps"
    return None


async def simulate(
    plan: SimulationPlan, *, clock: Clock, on_progress: Callable[[Progress], None] | None = None
) -> SimulationReport:
    """Run a plan; see ``Simulation``."""
    return await Simulation(plan, clock=clock, on_progress=on_progress).run()
