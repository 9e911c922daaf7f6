"""
SIP addresses as Twilio dials them: RFC 3261 section 19.1.1, narrowed by what Twilio takes.

Source: https://www.twilio.com/docs/voice/api/sip-making-calls.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from bridge.errors import InvalidField

MAX_URI_CHARACTERS: Final = 254
"""Of the address without its headers."""

MAX_HEADER_CHARACTERS: Final = 1023
"""Of everything after the question mark."""

EXAMPLE: Final = "sip:name@pbx.example.com"

_UNRESERVED: Final = r"A-Za-z0-9\-_.!~*'()"
_ESCAPED: Final = r"%[0-9A-Fa-f]{2}"
_USER: Final = re.compile(rf"(?:[{_UNRESERVED}&=+$,;?/]|{_ESCAPED})+")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST_PORT: Final = re.compile(
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{{1,5}}))?"
)
_PARAMETER: Final = re.compile(
    rf"(?P<name>(?:[{_UNRESERVED}]|{_ESCAPED})+)(?:=(?P<value>(?:[{_UNRESERVED}\[\]/:&+$]|{_ESCAPED})+))?"
)
_HEADER: Final = re.compile(
    rf"(?P<name>(?:[{_UNRESERVED}]|{_ESCAPED})+)=(?P<value>(?:[{_UNRESERVED}\[\]/?:+$]|{_ESCAPED})*)"
)
_HEADERS: Final = {"user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"}
_TRANSPORTS: Final = {"udp", "tcp", "tls"}


def read_sip_uri(field: str, text: str) -> str:
    """
    Check a ``sip:`` or ``sips:`` address.

    Args:
        field: What the request calls it, for the error.
        text: ``sip:user@host[:port][;parameters][?headers]``.

    Returns:
        The address as it came, but for its scheme in lower case.

    Raises:
        InvalidField: It is not one, or not one that Twilio dials.

    """
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    user, at, rest = rest.partition("@")
    if not at:
        raise InvalidField(field, "the SIP address has no @.", f"Send user and host, e.g. {EXAMPLE}.")
    target, _, headers = rest.partition("?")
    if len(text) - len(headers) > MAX_URI_CHARACTERS:
        raise InvalidField(
            field,
            f"the SIP address is longer than {MAX_URI_CHARACTERS} characters without its headers.",
            "Shorten it.",
        )
    if ":" in user:
        raise InvalidField(
            field,
            "the SIP address holds a password.",
            "Send it as sip_auth_username and sip_auth_password instead.",
        )
    if not _USER.fullmatch(user):
        raise InvalidField(
            field,
            "the user part of the SIP address is empty or holds a forbidden character.",
            f"Send e.g. {EXAMPLE}; percent-encode other characters.",
        )
    host_port, *parameters = target.split(";")
    _check_host(field, host_port)
    _check_parameters(field, scheme, parameters)
    _check_headers(field, headers, given="?" in rest)
    return f"{scheme}{text[len(scheme) :]}"


def _check_host(field: str, host_port: str) -> None:
    found = _HOST_PORT.fullmatch(host_port)
    if not found:
        raise InvalidField(
            field,
            "the host of the SIP address is no host name or IP address.",
            f"Send e.g. {EXAMPLE} or {EXAMPLE}:5061.",
        )
    if found["port"] and not 1 <= int(found["port"]) <= 65535:
        raise InvalidField(field, "the port of the SIP address is out of range.", "Send 1 to 65535.")


def _check_parameters(field: str, scheme: str, parameters: list[str]) -> None:
    values = dict[str, str]()
    for parameter in parameters:
        found = _PARAMETER.fullmatch(parameter)
        if not found or found["name"].lower() in values:
            raise InvalidField(
                field,
                "the SIP address has a parameter that is empty, repeated or badly written.",
                f"Send each once, e.g. {EXAMPLE};transport=tls.",
            )
        values[found["name"].lower()] = (found["value"] or "").lower()
    transport = values.get("transport")
    if transport is not None and transport not in _TRANSPORTS:
        raise InvalidField(field, "the SIP transport is unknown.", "Send transport=udp, tcp or tls.")
    secure = values.get("secure")
    if secure not in {None, "true", "false"}:
        raise InvalidField(field, "secure is neither true nor false.", "Send secure=true for TLS and SRTP.")
    if transport in {"udp", "tcp"} and (secure == "true" or scheme == "sips"):
        demand = "sips:" if scheme == "sips" else "secure=true"
        raise InvalidField(
            field,
            f"transport={transport} contradicts {demand}, which needs TLS.",
            "Leave the transport out, or send transport=tls.",
        )


def _check_headers(field: str, headers: str, *, given: bool) -> None:
    if not given:
        return
    if len(headers) > MAX_HEADER_CHARACTERS:
        raise InvalidField(
            field, f"the SIP headers are longer than {MAX_HEADER_CHARACTERS} characters.", "Shorten them."
        )
    for header in headers.split("&"):
        found = _HEADER.fullmatch(header)
        if not found:
            raise InvalidField(
                field,
                "the SIP headers are badly written.",
                f"Send name=value, joined by & and percent-encoded, e.g. {EXAMPLE}?X-Order=42.",
            )
        name = unquote(found["name"]).lower()
        if name not in _HEADERS and not re.fullmatch(r"x-[a-z0-9\-_.!~*']+", name):
            raise InvalidField(
                field,
                "Twilio does not send that SIP header.",
                "Send X-… or User-to-User, Remote-Party-ID, P-Preferred-Identity, P-Called-Party-ID.",
            )
        if re.search(r"[\x00-\x1f\x7f]", unquote(found["value"])):
            # A line break would end this header and begin one of the caller's choice.
            raise InvalidField(field, "a SIP header holds a control character.", "Leave it out.")
