"""What ``bridge doctor`` says of SIP phones: packages, ports, certificates; and of the voice of ``<Say>``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from bridge.carrier.phone.voice import Voice
from bridge.cli.client import local_url
from bridge.cli.finding import Finding
from bridge.cli.neighbour import who_answers
from bridge.cli.port import why_not
from bridge.cli.sip_port import missing_packages, plan_of, sip_port
from bridge.errors import ConfigurationError
from bridge.settings import Settings, is_loopback, variable


def diagnose_sip(settings: Settings) -> Iterator[Finding]:
    """Check what SIP phones and ``<Say>`` need; changes nothing."""
    if not settings.sip:
        yield Finding("ok", f"SIP phones are switched off by {variable('sip')}")
    elif missing := missing_packages():
        yield Finding(
            "NOTE",
            f"no SIP phones: not installed: {', '.join(missing)}",
            f"pip install -e '.[sip]' in bridge's own folder, or set {variable('sip')}=false",
        )
    else:
        yield from _port(settings)
    if Voice.installed() is None:
        mend = "install the program, on Debian or Ubuntu: apt-get install espeak-ng"
        yield Finding("NOTE", "no espeak-ng: the local carrier's <Say> is a short tone", mend)
    else:
        yield Finding("ok", "espeak-ng reads the local carrier's <Say> aloud")


def _port(settings: Settings) -> Iterator[Finding]:
    try:
        sip_port(settings, plan_of(settings))
    except ConfigurationError as error:
        yield Finding("WRONG", str(error), "name PEM files that can be read and belong together")
    host = settings.sip_host or settings.carrier_host
    who = f"{_count(settings.phones, 'phone')}, {_count(settings.trunks, 'trunk')}"
    reach = ", which this machine alone reaches" if is_loopback(host) else ""
    yield Finding("ok", f"SIP: {who}; it listens on {host}{reach}")
    carrier = local_url(settings.carrier_host, settings.carrier_port)
    yield _free(host, settings.sip_port, "sip_port", carrier, "udp", "tcp")
    if settings.sip_tls_certificate is not None:
        yield _free(host, settings.sip_tls_port, "sip_tls_port", carrier, "tcp")


def _free(host: str, port: int, name: str, carrier: str, *transports: Literal["udp", "tcp"]) -> Finding:
    for transport in transports:
        if reason := why_not(host, port, transport):
            if who_answers(carrier) == "carrier":
                text = f"{transport.upper()} port {port} on {host} is taken: the local carrier is running"
                return Finding("ok", text)
            mend = f"stop what listens there (is the local carrier running already?) or set {variable(name)}"
            return Finding("NOTE", f"{transport.upper()} port {port} on {host}, for SIP: {reason}", mend)
    names = " and ".join(transport.upper() for transport in transports)
    return Finding("ok", f"{names} port {port} on {host} is free for SIP")


def _count(tables: Sequence[object], noun: str) -> str:
    return f"{len(tables) or 'no'} {noun}{'' if len(tables) == 1 else 's'}"
