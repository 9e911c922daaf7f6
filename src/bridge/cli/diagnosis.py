"""The checks of ``bridge doctor``; each finding says what is so and, if it is not good, how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from bridge.cli.client import local_url
from bridge.cli.finding import Finding
from bridge.cli.neighbour import Role, who_answers
from bridge.cli.port import why_not
from bridge.cli.sip_diagnosis import diagnose_sip
from bridge.configuration import Configuration
from bridge.errors import ConfigurationError
from bridge.settings import Settings, is_loopback

_MENTIONED = ("sox", "ffmpeg", "wscat")


def diagnose(configuration: Configuration) -> list[Finding]:
    """Make every check; takes a moment, changes nothing."""
    settings = configuration.settings
    return [
        *(
            Finding("NOTE", warning, "mend it where it stands, or take it out")
            for warning in configuration.warnings
        ),
        *_packages(),
        *_ports(settings),
        *diagnose_sip(settings),
        *_twilio(settings),
        *_sinks(settings),
        _recordings(settings),
        *_programs(),
    ]


def _packages() -> Iterator[Finding]:
    found = []
    for requirement in requires("bridge") or []:
        name = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
        if "extra ==" in requirement or ("python_version" in requirement and sys.version_info < (3, 13)):
            continue
        if "win32" in requirement and sys.platform == "win32":
            continue
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("WRONG", f"the package {name} is missing", "install bridge again: pip install -e .")
    yield Finding("ok", f"packages: {', '.join(found)}")


def _ports(settings: Settings) -> Iterator[Finding]:
    asked: tuple[tuple[Role, str, str, int, str], ...] = (
        ("server", "server", settings.host, settings.port, "BRIDGE_PORT"),
        ("carrier", "local carrier", settings.carrier_host, settings.carrier_port, "BRIDGE_CARRIER_PORT"),
    )
    for role, what, host, port, setting in asked:
        reason = why_not(host, port)
        if reason is None:
            yield Finding("ok", f"port {port} on {host} is free for the {what}")
        elif who_answers(local_url(host, port)) == role:
            yield Finding("ok", f"port {port} on {host}: the {what} is running there")
        else:
            mend = f"stop what listens there (is the {what} running already?) or set {setting}"
            yield Finding("NOTE", f"port {port} on {host}, for the {what}: {reason}", mend)


def _twilio(settings: Settings) -> Iterator[Finding]:
    if settings.twilio_account_sid is None:
        yield Finding(
            "NOTE",
            "no Twilio credentials: only loopback is served, and calls go nowhere but to a local carrier",
            "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN for `bridge serve`; `bridge up` needs none",
        )
        return
    yield Finding("ok", f"Twilio account {settings.twilio_account_sid}")
    if settings.public_url is None:
        yield Finding(
            "NOTE",
            "no BRIDGE_PUBLIC_URL: the address Twilio signs is derived from each request",
            "set it to the address Twilio reaches the server at, e.g. the one ngrok prints",
        )
    elif settings.public_url.startswith("http:") and not is_loopback(_host(settings.public_url)):
        yield Finding(
            "WRONG",
            f"BRIDGE_PUBLIC_URL is {settings.public_url}, but Twilio streams over wss only (error 31922)",
            "use an https address",
        )
    else:
        socket_url = settings.public_url.replace("http", "ws", 1)
        yield Finding(
            "ok",
            f"signatures are expected for {settings.public_url}/incoming-call and {socket_url}/media-stream",
        )
    if settings.twilio_phone_number is None:
        mend = "set TWILIO_PHONE_NUMBER, or pass `from` with each call"
        yield Finding("NOTE", "no default number to call from", mend)


def _host(url: str) -> str:
    return url.split("//", 1)[1].split("/", 1)[0].rsplit(":", 1)[0]


def _sinks(settings: Settings) -> Iterator[Finding]:
    from bridge.sinks.registry import bind_all, installed

    for found in installed():
        if found.error:
            yield Finding(
                "NOTE", f"sink {found.name} of {found.package} cannot be loaded: {found.error}", "mend it"
            )
    try:
        bind_all((choice.use, choice.options) for choice in settings.sinks)
    except ConfigurationError as error:
        yield Finding(
            "WRONG", str(error), "mend BRIDGE_SINKS or [[sinks]] in bridge.toml; `bridge sinks` lists them"
        )
        return
    names = ", ".join(choice.use for choice in settings.sinks)
    yield Finding("ok", f"sinks: {names}" if names else "sinks: none for `serve`, wav and echo for `up`")


def _recordings(settings: Settings) -> Finding:
    directory = settings.recordings_dir.resolve()
    nearest = directory
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        return Finding("WRONG", f"recordings cannot be written to {directory}", "set BRIDGE_RECORDINGS_DIR")
    free_gb = shutil.disk_usage(nearest).free / 1e9
    hours = free_gb * 1e9 / (32_000 * 3600)
    return Finding(
        "ok", f"recordings go to {directory}: {free_gb:.0f} GB free, about {hours:.0f} hours of calls"
    )


def _programs() -> Iterator[Finding]:
    missing = [name for name in _MENTIONED if shutil.which(name) is None]
    if missing:
        mend = "only `make test-peers` needs them; `make setup` installs them"
        yield Finding("NOTE", f"not installed: {', '.join(missing)}", mend)
