"""Whom a call may go to, and from whom: phone numbers, SIP addresses, clients."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import phonenumbers
from phonenumbers import ValidationResult

from bridge.calls.sip_uri import EXAMPLE, read_sip_uri
from bridge.errors import InvalidField

Kind = Literal["number", "sip", "client"]

_NUMBER: Final = re.compile(r"\+[0-9 ().\-]*")
_LOOKS_DIALLED: Final = re.compile(r"(?:tel:)?[0-9 ().\-+]*[0-9][0-9 ().\-]*", re.IGNORECASE)
# A Twilio Client identity, and custom parameters for it: https://www.twilio.com/docs/voice/twiml/client.
_CLIENT: Final = re.compile(r"client:[^\s?\x00-\x1f\x7f]{1,121}(?:\?[!-~]{1,800})?")
_SIP_FROM: Final = re.compile(r"[A-Za-z0-9+\-_.]{1,121}")

_IMPOSSIBLE: Final = {
    ValidationResult.INVALID_COUNTRY_CODE: "it begins with a country code that does not exist.",
    ValidationResult.TOO_SHORT: "it is too short for its country.",
    ValidationResult.TOO_LONG: "it is too long for its country.",
    ValidationResult.INVALID_LENGTH: "its country has no numbers of this length.",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "its area code is missing.",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """
    Whom to call.

    Attributes:
        kind: What ``address`` is.
        address: E.164 number, ``sip:``/``sips:`` URI or ``client:name``.
        hint: A remark that does not stop the call, or ``None``.

    """

    kind: Kind
    address: str
    hint: str | None = None


def read_destination(field: str, text: str) -> Destination:
    """
    Tell what an address is, and check it.

    Args:
        field: What the request calls it, for the error.
        text: The address; spaces and brackets in a phone number are taken out.

    Raises:
        InvalidField: It is no address, or an impossible one.

    """
    given, text = text, text.strip()
    scheme = text.partition(":")[0].lower()
    if scheme in {"sip", "sips"}:
        return Destination("sip", read_sip_uri(field, text))
    if scheme == "client":
        client = f"client:{text[len(scheme) + 1 :]}"
        if not _CLIENT.fullmatch(client):
            raise InvalidField(
                field, "the client's name is empty, too long or holds a space.", "Send e.g. client:alice."
            )
        return Destination("client", client)
    if text.startswith("+"):
        return read_number(field, text)
    if _LOOKS_DIALLED.fullmatch(text):
        raise InvalidField(
            field,
            "the number does not begin with + and a country code.",
            "In a form, write %2B for the +, which alone means a space."
            if given.startswith(" ")
            else "Send it in E.164, e.g. +12025550123 (neither 00 nor tel: before it).",
        )
    fix = (
        f"Put sip: before it, e.g. {EXAMPLE}."
        if "@" in text
        else f"Send +12025550123, {EXAMPLE} or client:alice."
    )
    raise InvalidField(field, "it is no phone number, SIP address or client.", fix)


def read_number(field: str, text: str) -> Destination:
    """
    Check a phone number, with ``+`` and country code, and write it in E.164.

    Numbers that no country could give out are refused; those that none has given out, as far as the
    ``phonenumbers`` metadata knows, are only hinted at, because the metadata is always a little old.

    Raises:
        InvalidField: It is no number, or an impossible one.

    """
    fix = "Send it in E.164: +, country code, number, e.g. +12025550123."
    if not _NUMBER.fullmatch(text):
        raise InvalidField(field, "a phone number has digits only, after its +.", fix)
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as fault:
        known = fault.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        raise InvalidField(
            field,
            _IMPOSSIBLE[ValidationResult.INVALID_COUNTRY_CODE] if known else "it is no phone number.",
            fix,
        ) from fault
    reason = phonenumbers.is_possible_number_with_reason(number)
    if reason in _IMPOSSIBLE:
        raise InvalidField(field, f"the number is impossible: {_IMPOSSIBLE[reason]}", fix)
    hint = None
    if not phonenumbers.is_valid_number(number):
        hint = f"{field}: no operator is known to have given out this number; the call may fail."
    return Destination(
        "number", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), hint
    )


def read_caller(field: str, text: str, kind: Kind) -> Destination:
    """
    Check from whom a call to that kind of destination may come.

    Raises:
        InvalidField: A phone must be called from a phone number; a SIP phone is shown a number or a plain
            user name (it becomes the user part of the SIP ``From``).

    """
    text = text.strip()
    if kind == "number":
        if not text.startswith("+"):
            raise InvalidField(
                field,
                "a phone number can only be called from a phone number.",
                "Send a number that your Twilio account owns or has verified, e.g. +12025550123.",
            )
        return read_number(field, text)
    plain = text.removeprefix("client:") if kind == "client" else text
    if not _SIP_FROM.fullmatch(plain):
        raise InvalidField(
            field,
            "a caller's name has only letters, digits, +, -, _ and full stops.",
            "Send a phone number or a plain name, e.g. +12025550123 or reception (no sip:, no host).",
        )
    return Destination(kind, text)
