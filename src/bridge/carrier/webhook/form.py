"""
The fields Twilio sends with every request about a call.

Sources: https://www.twilio.com/docs/voice/twiml#request-parameters and
https://www.twilio.com/docs/voice/api/sip-twiml for the SIP ones. Unknown geographic fields are empty for
phone numbers and absent for SIP ends, as captured.
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

from bridge.carrier.call.call import CarrierCall

API_VERSION: Final = "2010-04-01"
Form = list[tuple[str, str]]

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


def is_number(address: str) -> bool:
    """Whether an address has the shape of an E.164 number."""
    return _E164.fullmatch(address) is not None


def call_form(call: CarrierCall, status: str | None = None) -> Form:
    """
    The fields of one request.

    Args:
        call: Whose request it is.
        status: ``CallStatus`` if it is not the call's own (``initiated`` is no state of the resource).

    """
    request = call.request
    form: Form = [
        ("AccountSid", call.account_sid),
        ("ApiVersion", API_VERSION),
        ("CallSid", call.sid),
        ("CallStatus", status or call.status),
        ("Direction", call.direction),
        ("From", shown_from(call)),
        ("Caller", shown_from(call)),
        ("To", request.to),
        ("Called", request.to),
    ]
    if call.parent_sid is not None:
        form.append(("ParentCallSid", call.parent_sid))
    for address, names in ((shown_from(call), ("From", "Caller")), (request.to, ("To", "Called"))):
        if is_number(address):
            form += [
                (f"{name}{part}", _country(address) if part == "Country" else "")
                for name in names
                for part in ("City", "State", "Zip", "Country")
            ]
    if request.sip is not None:
        form += [
            ("SipDomain", request.sip.domain),
            ("SipCallId", request.sip.call_id),
            ("SipSourceIp", request.sip.source_ip),
        ]
        if request.sip.domain_sid is not None:
            form.append(("SipDomainSid", request.sip.domain_sid))
        form += [(f"SipHeader_{name}", value) for name, value in request.sip.headers]
    form += request.extra
    detection = request.machine_detection
    if call.answered_by is not None and (
        call.over or (detection is not None and detection.async_url is None)
    ):
        # Asynchronous detection has a callback of its own; the documents then run without its result.
        form.append(("AnsweredBy", call.answered_by))
    return form


def shown_from(call: CarrierCall) -> str:
    """Who the called side is told is calling."""
    return call.request.caller_id or call.request.from_


def _country(number: str) -> str:
    parsed = phonenumbers.parse(number)
    region = phonenumbers.region_code_for_number(parsed)
    return region or phonenumbers.region_code_for_country_code(parsed.country_code or 0)
