"""From the settings to the carrier's SIP port, if there can be one."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from bridge.carrier.application import SipPort
from bridge.carrier.call.exchange import Exchange
from bridge.cli.port import check_free
from bridge.clock import SystemClock
from bridge.errors import ConfigurationError
from bridge.settings import Settings, variable

if TYPE_CHECKING:
    from bridge.carrier.sip.plan import Plan

PACKAGES: Final = ("sipmessage", "pylibsrtp")
"""What the extra ``[sip]`` brings."""

log = logging.getLogger(__name__)


def missing_packages() -> list[str]:
    """Name what SIP needs and is not installed."""
    return [name for name in PACKAGES if find_spec(name) is None]


def plan_of(settings: Settings) -> Plan:
    """Give the numbering plan that is configured."""
    from bridge.carrier.sip.plan import Plan

    return Plan(
        settings.sip_domain,
        phones=settings.phones,
        trunks=settings.trunks,
        routes=settings.routes,
        allow=settings.sip_allow,
    )


def check_sip_ports(settings: Settings) -> None:
    """
    Make sure that SIP can listen where it is to, if it is to.

    Raises:
        ConfigurationError: a port is taken.

    """
    if not settings.sip or missing_packages():
        return
    host = settings.sip_host or settings.carrier_host
    another = f"{variable('sip_port')}, or say {variable('sip')}=false"
    check_free("SIP port", host, settings.sip_port, another, "udp")
    if settings.sip_tls_certificate is not None:
        check_free("SIP TLS port", host, settings.sip_tls_port, variable("sip_tls_port"))


def sip_line(settings: Settings) -> str:
    """Say in one line where phones register."""
    if not settings.sip:
        return "none (BRIDGE_SIP=false)"
    if missing := missing_packages():
        return f"none ({' and '.join(missing)} missing: pip install -e '.[sip]')"
    names = ", ".join(phone.user for phone in settings.phones if not phone.user.lstrip("+").isdigit())
    known = f"; [[phones]]: {names}" if names else ""
    return (
        f"sip:{settings.sip_host or settings.carrier_host}:{settings.sip_port}{known}  (see: bridge phones)"
    )


def sip_port(settings: Settings, plan: Plan) -> Callable[[Exchange], SipPort] | None:
    """
    Give what makes the port; ``None``, with a warning, where the extra is not installed.

    Raises:
        ConfigurationError: a certificate cannot be read.

    """
    if not settings.sip:
        return None
    if missing := missing_packages():
        log.warning(
            "no SIP phones: %s not installed. pip install -e '.[sip]', or say BRIDGE_SIP=false",
            " and ".join(missing) + (" are" if len(missing) > 1 else " is"),
        )
        return None
    from bridge.carrier.sip.service import SipOptions, SipService

    options = SipOptions(
        host=settings.sip_host or settings.carrier_host,
        port=settings.sip_port,
        tls_port=settings.sip_tls_port,
        server_tls=_server_tls(settings),
        client_tls=_client_tls(settings),
        domain=settings.sip_domain,
        media_ports=settings.media_ports,
    )
    return lambda exchange: SipService(options, plan, exchange, SystemClock())


def _server_tls(settings: Settings) -> ssl.SSLContext | None:
    certificate = settings.sip_tls_certificate
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, settings.sip_tls_key or certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{variable('sip_tls_certificate')}: {certificate} cannot be used: {error.strerror or error}."
        ) from error
    return context


def _client_tls(settings: Settings) -> ssl.SSLContext:
    """Check others' certificates by the system's authorities, and by our own where one is named."""
    context = ssl.create_default_context()
    if settings.sip_tls_ca is not None:
        try:
            context.load_verify_locations(settings.sip_tls_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"{variable('sip_tls_ca')}: {settings.sip_tls_ca} cannot be used: {error.strerror or error}."
            ) from error
    return context
