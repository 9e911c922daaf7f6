"""
The SIP address a call goes to: who, where, and the headers Twilio puts into the INVITE for it.

Source: https://www.twilio.com/docs/voice/api/sip-making-calls: ``X-`` headers, and four others without
prefix, stand after a ``?``, joined by ``&`` and percent-encoded.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from bridge.carrier.call.request import SipSide

MAX_HEADERS_CHARACTERS: Final = 1024
MAX_ADDRESS_CHARACTERS: Final = 255
MAX_LOGIN_CHARACTERS: Final = 255

_SIP: Final = re.compile(
    r"sips?:(?:[^\s@]+@)?(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?(?:[;?]\S*)?", re.IGNORECASE
)
_HEADER_NAME: Final = re.compile(r"X-[A-Za-z0-9!%*_+`'~.-]+", re.IGNORECASE)  # RFC 3261 section 25.1: token
_OTHER_HEADERS: Final = frozenset(
    {"user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"}
)
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x1f\x7f]*")
_LOGIN: Final = re.compile(r"[\x21-\x7e]+")

CALLER: Final = re.compile(r"(?:client:|sips?:)?[A-Za-z0-9+\-_.@:]+")
"""What may be shown as the caller where no number is called."""

Fault = Literal["address", "too-long", "header-name", "header-value"]


class SipTargetFault(ValueError):
    """
    An address that Twilio does not call.

    Attributes:
        kind: Which rule it breaks; the Calls API and ``<Dial>`` have different codes for each.

    """

    def __init__(self, kind: Fault, message: str) -> None:
        super().__init__(message)
        self.kind: Final = kind


@dataclass(frozen=True, slots=True)
class SipTarget:
    """
    One address, read.

    Attributes:
        uri: Without its headers.
        host: Host name or IP literal.
        headers: Names and values, decoded, in their order.

    """

    uri: str
    host: str
    headers: tuple[tuple[str, str], ...]

    @property
    def side(self) -> SipSide:
        """The SIP end of a call to it, with a new Call-ID; make it once a call."""
        return SipSide(domain=self.host, call_id=f"{secrets.token_hex(16)}@local-carrier")


def is_sip(address: str) -> bool:
    """Whether an address says of itself that it is a SIP one."""
    return address.lower().startswith(("sip:", "sips:"))


def without_headers(address: str) -> str:
    """Leave out what stands after the ``?``: it may be anything, so no log shows it."""
    return address.partition("?")[0]


def read_sip_target(address: str) -> SipTarget:
    """
    Read ``sip:user@host[:port][;parameters][?headers]``.

    Raises:
        SipTargetFault: Twilio would not call it. A header with a line break in it is among the faults: it
            would end there, and another of the sender's choice begin.

    """
    uri, _, query = address.partition("?")
    if len(query) > MAX_HEADERS_CHARACTERS:
        raise SipTargetFault(
            "too-long", f"SIP headers have {len(query)} characters; {MAX_HEADERS_CHARACTERS} is the limit"
        )
    found = _SIP.fullmatch(address)
    if found is None or len(uri) >= MAX_ADDRESS_CHARACTERS:
        raise SipTargetFault("address", f"The SIP address {uri[:MAX_ADDRESS_CHARACTERS]} is not valid.")
    return SipTarget(uri, found["host"], tuple(_header(part) for part in query.split("&") if part))


def _header(part: str) -> tuple[str, str]:
    name, _, value = (unquote(piece) for piece in part.partition("="))
    if not _HEADER_NAME.fullmatch(name) and name.lower() not in _OTHER_HEADERS:
        raise SipTargetFault("header-name", f"The SIP header {name[:40]!r} is none that is sent.")
    if not _HEADER_VALUE.fullmatch(value):
        raise SipTargetFault("header-value", f"The SIP header {name[:40]} holds a control character.")
    return name, value


def login_fault(value: str) -> Literal["too-long", "illegal"] | None:
    """Say what is wrong with a SIP user name or password, if anything is."""
    if len(value) > MAX_LOGIN_CHARACTERS:
        return "too-long"
    return None if _LOGIN.fullmatch(value) else "illegal"
