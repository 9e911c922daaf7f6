from __future__ import annotations

from bridge.carrier.phone import speech
from bridge.carrier.simulation.caller import SimulatedCaller
from bridge.carrier.simulation.echo import Markers
from tests.carrier.media_stage import ManualClock

SPOKEN = speech.demo()[:16_000]


async def test_a_caller_says_its_file_hears_itself_and_hangs_up() -> None:
    caller = SimulatedCaller(SPOKEN, clock=ManualClock(), hang_up_after_s=0.2)
    assert (await caller.dial(lambda: None)).result == "answered"
    await caller.answered()
    said = b""
    for _ in range(100 + 10):
        frame = caller.speak()
        caller.hear(frame)
        said += frame
    assert said.startswith(SPOKEN)
    await caller.hung_up()
    assert caller.digits() == ""
    echo = caller.ear.echo(Markers(SPOKEN))
    assert set(echo.round_trips_ms) == {0.0}
    await caller.refused(486)
    await caller.hang_up()
