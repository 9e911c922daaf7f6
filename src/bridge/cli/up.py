"""``bridge up``: the server, a carrier in Twilio's place, and what to try next."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import typer

from bridge.cli import option
from bridge.cli.children import Child, Children
from bridge.cli.client import ServerClient, local_url
from bridge.cli.port import check_free
from bridge.clock import Clock, SystemClock
from bridge.configuration import DEFAULT, Configuration, load
from bridge.errors import BridgeError, ConfigurationError
from bridge.settings import Settings, variable

READY_WITHIN_S: Final = 60.0
_ASK_EVERY_S: Final = 0.1
_TELL_EVERY_S: Final = 2.0

IGNORED: Final = ("twilio_account_sid", "twilio_auth_token", "twilio_api_base", "public_url")
"""A real ``.env`` must never spend money by accident: these are made up, or pointed at the carrier."""

LOCAL_NUMBER: Final = "+15005550006"
"""From whom calls to numbers are placed where nothing else is set; the carrier owns it."""

_SUMMARY: Final = """
bridge is up.
  server         {server}  (its API: {server}/docs)
  local carrier  {carrier}  (in Twilio's place)
  SIP phones     {sip}
  sinks          {sinks}
  recordings     {recordings}

Call the demonstration phone:
  curl -X POST {server}/make-call -H 'Content-Type: application/json'{key} -d '{{"to":"sip:demo@localhost"}}'

Ctrl-C stops both.
"""


def up(
    sink: option.Sink = None,
    host: option.Host = None,
    port: option.Port = None,
    carrier_port: option.CarrierPort = None,
    config: option.Config = None,
    log_level: option.LogLevel = None,
    log_format: option.LogFormat = None,
) -> None:
    """
    Run the server and a local carrier.

    Says what to try once both are ready. Nothing here reaches Twilio: credentials are made up for this run.
    Calls leave this machine only for SIP addresses elsewhere and by the trunks of bridge.toml.
    """
    from bridge.cli.sip_port import check_sip_ports
    from bridge.sinks.registry import bind_all

    given = {
        "host": host,
        "port": port,
        "carrier_port": carrier_port,
        "log_level": log_level,
        "log_format": log_format,
    }
    configuration = load(config=config, sinks=sink or None, **given)
    for name in IGNORED:
        if configuration.origins[name] != DEFAULT:
            origin = configuration.origins[name]
            _say(f"{variable(name)} from {origin} is ignored: `bridge up` stays on this machine.")
    for warning in configuration.warnings:
        _say(f"bridge: {warning}", error=True)  # here once: the children would each say it
    settings = configuration.settings
    bind_all((choice.use, choice.options) for choice in settings.sinks)
    check_free("port", settings.host, settings.port, "--port or BRIDGE_PORT")
    choose = "--carrier-port or BRIDGE_CARRIER_PORT"
    check_free("port", settings.carrier_host, settings.carrier_port, choose)
    check_sip_ports(settings)
    overrides = {variable(name): str(value) for name, value in given.items() if value is not None}
    if config is not None:
        overrides["BRIDGE_CONFIG"] = str(config)
    children = _children(configuration, overrides, sink or [])
    raise typer.Exit(asyncio.run(_run(settings, children, _sinks_named(configuration))))


def _sinks_named(configuration: Configuration) -> str:
    if configuration.origins["sinks"] == DEFAULT:
        return "wav, echo"
    return ", ".join(choice.use for choice in configuration.settings.sinks) or "none"


def _children(
    configuration: Configuration, overrides: dict[str, str], sinks: Sequence[str]
) -> tuple[Child, Child]:
    settings = configuration.settings
    both = {
        **overrides,
        "TWILIO_ACCOUNT_SID": f"AC{secrets.token_hex(16)}",
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
        "BRIDGE_LOCAL_CREDENTIALS": "true",
        "BRIDGE_TWILIO_API_BASE": local_url(settings.carrier_host, settings.carrier_port),
        "BRIDGE_PUBLIC_URL": "",
    }
    if settings.twilio_phone_number is None:
        both["TWILIO_PHONE_NUMBER"] = LOCAL_NUMBER
    server = dict(both)
    if configuration.origins["sinks"] == DEFAULT:
        server["BRIDGE_SINKS"] = "wav,echo"
    arguments = [word for name in sinks for word in ("--sink", name)]
    carrier = dict(both)
    if configuration.origins["routes"] == DEFAULT:
        # Who calls this machine is put through to the server that runs beside it.
        url = f"{local_url(settings.host, settings.port)}/incoming-call"
        carrier["BRIDGE_ROUTES"] = json.dumps([{"pattern": "*", "url": url}])
    return (
        Child("the local carrier", ["carrier"], carrier, is_restarted=True),
        Child("the server", ["serve", *arguments], server),
    )


async def _run(settings: Settings, children: Sequence[Child], sinks: str) -> int:
    asked_to_stop = asyncio.Event()
    with suppress(NotImplementedError):  # Windows: KeyboardInterrupt cancels us instead
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    from bridge.cli.sip_port import sip_line

    server = local_url(settings.host, settings.port)
    carrier = local_url(settings.carrier_host, settings.carrier_port)
    _say("Starting the server and the local carrier …")
    family = Children(lambda text: _say(text, error=True))
    async with family.running(children), asyncio.TaskGroup() as tasks:
        ended = family.ended
        ready = tasks.create_task(_wait_until_ready((server, carrier), SystemClock()))
        stop = tasks.create_task(asked_to_stop.wait())
        waiting: set[asyncio.Task[Any]] = {ended, ready, stop}
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if ready in done:
            family.settled()
            key = ' -H "Authorization: Bearer $BRIDGE_API_KEY"' if settings.api_key else ""
            recordings = settings.recordings_dir.resolve()
            sip = sip_line(settings)
            _say(
                _SUMMARY.format(
                    server=server, carrier=carrier, sip=sip, sinks=sinks, recordings=recordings, key=key
                )
            )
            await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        stop.cancel()
        if ended.done():
            _say(f"bridge: {ended.result()}; see its messages above. Stopping the other.", error=True)
            return 1
        _say("Stopping: calls are ended and recordings finished …")
    return 0


async def _wait_until_ready(urls: Sequence[str], clock: Clock) -> None:
    """Return once every ``/healthz`` answers; say every two seconds what is still awaited."""
    began_s = told_s = clock.now_s()
    missing = list(urls)
    while missing:
        try:
            await asyncio.to_thread(ServerClient(missing[0]).ask, "GET", "/healthz")
            missing.pop(0)
            continue
        except BridgeError:
            pass
        now_s = clock.now_s()
        if now_s - began_s > READY_WITHIN_S:
            raise ConfigurationError(f"{missing[0]} did not answer within {READY_WITHIN_S:.0f} s")
        if now_s - told_s >= _TELL_EVERY_S:
            told_s = now_s
            _say(f"  … {now_s - began_s:.0f} s, waiting for {' and '.join(missing)}")
        await clock.sleep_until_s(now_s + _ASK_EVERY_S)


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
