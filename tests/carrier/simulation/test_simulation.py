from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.phone import speech
from bridge.carrier.simulation.report import ServerCount
from bridge.carrier.simulation.simulation import Progress, SimulationPlan, failure_of, simulate
from bridge.carrier.stream.client import StreamOutcome
from tests.carrier.signalling_stage import AUTH_TOKEN, Application, Asked, FastClock, application, twiml

SPOKEN = speech.demo()[: 8000 * 2]


def plan(program: Application, **options: Any) -> SimulationPlan:
    options = {
        "spoken": SPOKEN,
        "auth_token": AUTH_TOKEN,
        "calls_per_second": 100.0,
        "compare": False,
        **options,
    }
    return SimulationPlan(program.url, **options)


def streaming(program: Application) -> web.Response:
    return twiml(f'<Connect><Stream url="{program.url.replace("http", "ws")}/media-stream"/></Connect>')


async def test_calls_come_in_with_an_echo_measured() -> None:
    told: list[Progress] = []
    async with application() as program:
        program.answers["/incoming-call"] = streaming(program)
        report = await simulate(
            plan(program, calls=6, concurrent=3), clock=FastClock(2), on_progress=told.append
        )
        assert report.exit_code == 0
        assert report.peak == 3
        assert [one.done for one in told] == [1, 2, 3, 4, 5, 6]
        assert max(one.live for one in told) <= 3
        asked = program.asked["/incoming-call"]
        assert len(asked) == 6
        assert all(one.signed() and one.fields["CallStatus"] == "ringing" for one in asked)
        assert all(heard.startswith(SPOKEN) for heard in map(program.heard, range(6)))
        assert report.as_dict()["sent_frames"] == sum(
            len(program.heard(stream)) // 160 for stream in range(6)
        )
        assert report.round_trip is not None
        assert 0 < report.round_trip.p50 < 200
        assert all(call.echo.exact and call.echo.lost == 0 for call in report.calls)
        assert report.lateness is not None
        assert report.comparison == "not asked for"


async def test_starts_are_paced() -> None:
    clock = FastClock(4)
    times_s: list[float] = []
    async with application() as program:

        async def voice(_asked: Asked) -> web.Response:
            times_s.append(clock.now_s())
            return twiml("<Reject/>")

        program.answers["/incoming-call"] = voice
        report = await simulate(plan(program, calls=4, concurrent=4, calls_per_second=2.0), clock=clock)
        assert times_s[-1] - times_s[0] >= 1.0
        assert report.exit_code == 1


async def test_the_servers_own_count_is_held_against_ours() -> None:
    async with application() as program:
        program.answers["/incoming-call"] = streaming(program)
        for lost, exit_code in ((0, 0), (1, 1)):
            program.streams.clear()
            _answer_calls(program, lost)
            report = await simulate(plan(program, compare=True), clock=FastClock(4))
            assert report.exit_code == exit_code
            assert report.comparison is None


def _answer_calls(program: Application, lost: int) -> None:
    """Let every ``GET /calls/{sid}`` tell what the first stream brought, less so many frames."""

    class Answers(dict[str, Any]):
        def get(self, path: str, default: Any = None) -> Any:
            if not path.startswith("/calls/"):
                return super().get(path, default)
            frames = len(program.heard(0)) // 160 - lost
            return web.json_response({"streams": [{"frames": frames, "gaps": 0, "filled_ms": 0}]})

    program.answers = Answers(program.answers)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<Say>no stream</Say>", "no media stream was asked for"),
        ('<Reject reason="busy"/>', "busy"),
        ('<Connect><Stream url="ws://127.0.0.1:1/"/></Connect>', "stream failed: 31902"),
        ("<", "no media stream was asked for: 12100"),
    ],
)
async def test_failures_say_why(body: str, reason: str) -> None:
    async with application() as program:
        program.answers["/incoming-call"] = twiml(body)
        report = await simulate(plan(program, calls=2, concurrent=2), clock=FastClock())
        assert report.exit_code == 1
        [(told, count)] = report.failures()
        assert told.startswith(reason)
        assert count == 2


async def test_a_server_that_is_not_there_fails_every_call() -> None:
    async with application() as program:
        url = program.url
    report = await simulate(SimulationPlan(url, SPOKEN, calls=2, concurrent=2), clock=FastClock())
    assert report.failed == 2
    assert "11202" in report.failures()[0][0]


@pytest.mark.parametrize(
    ("outcome", "count", "failure"),
    [
        (StreamOutcome("call_ended", sent_frames=5), None, None),
        (StreamOutcome("server_closed", 31921, sent_frames=5), ServerCount(5, 0, 0), None),
        (StreamOutcome("call_ended", sent_frames=5, dropped_frames=1), None, "dropped"),
        (StreamOutcome("call_ended", sent_frames=5), ServerCount(4, 0, 0), "counted"),
        (StreamOutcome("call_ended", sent_frames=5), ServerCount(5, 1, 20), "counted"),
        (StreamOutcome("server_closed", 31921), None, "no frame"),
        (StreamOutcome("failed", 31903, "broken", sent_frames=5), None, "31903 broken"),
    ],
)
def test_what_is_a_failure(outcome: StreamOutcome, count: ServerCount | None, failure: str | None) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    request = CallRequest(to="x", from_="y", document=Document())
    call = CarrierCall(request, account_sid="AC1", direction="inbound", created=now)
    call.move("in-progress", now)
    call.move("completed", now)
    call.streams.append(outcome)
    found = failure_of(call, count)
    assert found is None if failure is None else failure in (found or "")
