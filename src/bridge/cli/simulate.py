"""``bridge simulate``: many incoming calls at once, and what became of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli import option

if TYPE_CHECKING:
    from bridge.carrier.simulation.simulation import Progress, SimulationPlan
    from bridge.clock import Clock

_TELL_EVERY_S = 1.0


def simulate(
    calls: Annotated[int, typer.Option("--calls", min=1, max=1_000_000, help="How many calls in all.")] = 1,
    concurrent: Annotated[
        int, typer.Option("--concurrent", min=1, max=10_000, help="How many at once at most.")
    ] = 10,
    rate: Annotated[
        float, typer.Option("--rate", min=0.01, max=1000, help="How many begin in a second at most.")
    ] = 10.0,
    wav: Annotated[
        Path | None, typer.Option("--wav", metavar="FILE", help="What each caller says.  [a sample of ours]")
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The server.  [the one on this machine, BRIDGE_PORT]")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The number that is called.  [TWILIO_PHONE_NUMBER]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    config: option.Config = None,
    port: option.Port = None,
) -> None:
    """
    Play Twilio: call a server many times, and report.

    Each caller speaks a WAV file in real time. The report counts frames, gaps, the round trip of an echo and
    how late this program's own clock was. Signs as Twilio does if the settings hold credentials. Exit code 0
    if every call completed unharmed.
    """
    from bridge.carrier.phone import speech
    from bridge.carrier.phone.route import CALLER_NUMBER
    from bridge.carrier.simulation.simulation import SimulationPlan
    from bridge.cli.client import ServerClient
    from bridge.cli.neighbour import who_answers
    from bridge.cli.process import raise_file_limit
    from bridge.configuration import load

    settings = load(config=config, port=port).settings
    client = ServerClient.of(settings)
    if url is not None:
        client = ServerClient(url.rstrip("/"), client.api_key)
    client.ask("GET", "/healthz")  # says at once, and clearly, that there is no server
    if url is None and who_answers(client.url) == "carrier":
        raise client.refused(404, "Not Found", b"")
    raise_file_limit()
    token = settings.twilio_auth_token
    plan = SimulationPlan(
        server_url=client.url,
        spoken=speech.load_wav(wav) if wav else speech.demo(),
        calls=calls,
        concurrent=concurrent,
        calls_per_second=rate,
        account_sid=settings.twilio_account_sid,
        auth_token=token.get_secret_value() if token else None,
        to=to or settings.twilio_phone_number or CALLER_NUMBER,
        api_key=client.api_key,
    )
    raise typer.Exit(_run(plan, as_json=as_json))


def _run(plan: SimulationPlan, *, as_json: bool) -> int:
    import asyncio

    from bridge.carrier.simulation.simulation import Simulation
    from bridge.carrier.simulation.text import report_text
    from bridge.clock import SystemClock

    clock = SystemClock()
    began_s = clock.now_s()
    about = f"Simulating {plan.calls} calls, {plan.concurrent} at once at most, to {plan.server_url} …"
    print(about, file=sys.stderr, flush=True)
    simulation = Simulation(plan, clock=clock, on_progress=_teller(clock))
    try:
        report = asyncio.run(simulation.run())
    except KeyboardInterrupt:  # what has ended so far is worth knowing
        report = simulation.report(clock.now_s() - began_s)
    print(json.dumps(report.as_dict(), indent=2) if as_json else report_text(report))
    return report.exit_code


def _teller(clock: Clock) -> Callable[[Progress], None]:
    """Tell the progress about once a second, beside the report rather than in it."""
    told_s = clock.now_s()

    def tell(progress: Progress) -> None:
        nonlocal told_s
        if clock.now_s() - told_s < _TELL_EVERY_S and progress.done < progress.asked:
            return
        told_s = clock.now_s()
        line = f"  {progress.done} of {progress.asked} done, {progress.live} live, {progress.failed} failed"
        print(line, file=sys.stderr, flush=True)

    return tell
