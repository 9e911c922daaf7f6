"""
``POST /Calls.json``: from a form to a call, refusing what Twilio refuses, with its codes.

Sources: https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource, the error dictionary at
https://www.twilio.com/docs/api/errors and, for the numbers that always fail,
https://www.twilio.com/docs/iam/test-credentials.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import phonenumbers

from bridge.carrier.api.form import MAX_TIME_LIMIT_S, Form, refused
from bridge.carrier.call.request import (
    RING_TIMEOUT_S,
    TIME_LIMIT_S,
    CallRequest,
    Document,
    MachineDetection,
    SipLogin,
)
from bridge.carrier.call.sip_target import (
    CALLER,
    Fault,
    SipTarget,
    SipTargetFault,
    is_sip,
    login_fault,
    read_sip_target,
)
from bridge.carrier.phone.route import CALLER_NUMBER, DEMO_NUMBER
from bridge.carrier.webhook.form import is_number

OWNED_NUMBERS: Final = frozenset({CALLER_NUMBER, DEMO_NUMBER})
"""The numbers every account of the local carrier may call from."""

_MAGIC_TO: Final = {
    "+15005550001": (21217, "Phone number does not appear to be valid"),
    "+15005550002": (21214, "The phone number cannot be reached"),
    "+15005550003": (21215, "Account not authorized to make an international call to this number"),
    "+15005550004": (21216, "Account not allowed to call this phone number"),
}
_MAGIC_FROM_INVALID: Final = "+15005550001"

_SIP_CODES: Final[dict[Fault, int]] = {
    "address": 21211,
    "too-long": 21227,
    "header-name": 21228,
    "header-value": 21229,
}
_TRUNK_SID: Final = re.compile(r"BY[0-9a-fA-F]{32}")
_DIGITS: Final = re.compile(r"[0-9A-D#*wW]{1,32}")
_NOT_DONE: Final = {
    "Record": "calls are not recorded by the local carrier; use the application's own recording",
    "RecordingConfigurationId": "recording configurations do not exist here",
    "CallReason": "there is nobody to show a call reason to",
    "CallToken": "call tokens are not checked here",
    "ClientNotificationUrl": "client notifications are not sent",
    "Passports": "passports are not checked here",
}


def read_create(
    fields: Collection[tuple[str, str]],
    owned_numbers: Collection[str] = OWNED_NUMBERS,
    trunk_sids: Collection[str] = (),
) -> CallRequest:
    """
    Read the form.

    Args:
        fields: Names and values as they came.
        owned_numbers: What ``From`` may be when a number is called.
        trunk_sids: What ``Byoc`` may be.

    Raises:
        CarrierRefused: With Twilio's code and HTTP status.

    """
    form = Form(list(fields))
    to = _read_to(form)
    target = _read_target(to)
    from_ = _read_from(form, to, owned_numbers)
    document = _read_document(form)
    callback = form.status_callback()
    send_digits = form.get("SendDigits") or ""
    if send_digits and not _DIGITS.fullmatch(send_digits):
        raise refused(21206, f"Invalid SendDigits value: {send_digits[:60]}")
    timeout_s = form.whole("Timeout", 1, 600, 21208)
    time_limit_s = form.whole("TimeLimit", 1, MAX_TIME_LIMIT_S, 13216)
    login = _read_sip_login(form, to)
    _note_what_is_not_done(form)
    byoc = _read_byoc(form, to, trunk_sids)
    detection = _read_detection(form, send_digits)
    return CallRequest(
        to=to,
        from_=from_,
        document=document,
        status_callback=callback,
        timeout_s=timeout_s or RING_TIMEOUT_S,
        time_limit_s=time_limit_s or TIME_LIMIT_S,
        send_digits=send_digits,
        machine_detection=detection,
        caller_id=form.get("CallerId"),
        sip=target.side if target is not None else None,
        sip_login=login,
        sip_headers=target.headers if target is not None else (),
        byoc=byoc,
        notes=tuple(form.notes),
    )


def _read_to(form: Form) -> str:
    to = (form.get("To") or "").strip()
    if not to:
        raise refused(21201, "No 'To' number is specified")
    if to.lower().startswith("client:") or is_sip(to):
        return to
    number = re.sub(r"[\s().-]", "", to)
    if not is_number(number):
        raise refused(21211, f"The phone number you are attempting to call, {to[:60]}, is not valid.")
    if number in _MAGIC_TO:
        code, message = _MAGIC_TO[number]
        raise refused(code, f"{message}: {number}")
    if not phonenumbers.is_possible_number(phonenumbers.parse(number)):
        raise refused(21217, f"Phone number does not appear to be valid: {number}")
    return number


def _read_target(to: str) -> SipTarget | None:
    if not is_sip(to):
        return None
    try:
        return read_sip_target(to)
    except SipTargetFault as fault:
        raise refused(_SIP_CODES[fault.kind], str(fault)) from None


def _read_from(form: Form, to: str, owned_numbers: Collection[str]) -> str:
    from_ = (form.get("From") or "").strip()
    if not from_:
        raise refused(21213, "No 'From' number is specified")
    if not is_number(to):
        if not CALLER.fullmatch(from_):
            raise refused(21212, f"The source phone number provided, {from_[:60]}, is not valid.")
        return from_
    if from_ == _MAGIC_FROM_INVALID or not is_number(from_):
        raise refused(21212, f"The source phone number provided, {from_[:60]}, is not valid.")
    if from_ == to:
        raise refused(21211, f"The phone number you are attempting to call, {to}, is the one you call from.")
    if from_ not in owned_numbers:
        raise refused(
            21210,
            f"The source phone number provided, {from_}, is not yet verified for your account."
            f" The local carrier's accounts call from {CALLER_NUMBER}.",
        )
    return from_


def _read_document(form: Form) -> Document:
    url, twiml = form.url("Url"), form.twiml()
    application = form.get("ApplicationSid")
    if application is not None:
        raise refused(
            21218, f"ApplicationSid {application[:40]} does not exist; the local carrier has no applications"
        )
    if url is None and twiml is None:
        raise refused(
            21205,
            "Url parameter is required. For more information, see https://www.twilio.com/docs/voice/twiml",
        )
    if url is not None and twiml is not None:
        form.notes.append((32019, "Twiml cannot be set if Voice URL is set; Url is used"))
    return Document(
        url=url,
        method=form.method("Method"),
        twiml=twiml,
        fallback_url=form.url("FallbackUrl"),
        fallback_method=form.method("FallbackMethod"),
    )


def _read_sip_login(form: Form, to: str) -> SipLogin | None:
    user, password = form.get("SipAuthUsername"), form.get("SipAuthPassword")
    for name, value, too_long, illegal in (
        ("SipAuthUsername", user, 21221, 21222),
        ("SipAuthPassword", password, 21223, 21224),
    ):
        fault = login_fault(value) if value is not None else None
        if fault == "too-long":
            raise refused(too_long, f"Invalid {name}. Must be fewer than 256 chars")
        if fault == "illegal":
            raise refused(illegal, f"Invalid {name}. Illegal chars")
    if user is None:
        return None
    if password is None:
        raise refused(21225, "SipAuthPassword is required when providing SipAuthUsername")
    if is_sip(to):
        return SipLogin(user, password)
    form.notes.append((None, "SipAuthUsername is only used when a SIP address is called"))
    return None


def _read_byoc(form: Form, to: str, trunk_sids: Collection[str]) -> str | None:
    """Read the trunk to call through; with a SIP address or a client it means nothing, as with Twilio."""
    byoc = form.get("Byoc")
    if byoc is None:
        return None
    if not is_number(to):
        form.notes.append((None, "Byoc: it is ignored unless To is a phone number"))
        return None
    if not _TRUNK_SID.fullmatch(byoc) or byoc not in trunk_sids:
        raise refused(21300, f"Invalid BYOC trunk SID: {byoc[:40]}")
    return byoc


def _read_detection(form: Form, send_digits: str) -> MachineDetection | None:
    mode = form.one_of("MachineDetection", ("Enable", "DetectMessageEnd"), 21234)
    form.whole("MachineDetectionTimeout", 3, 59, 21234)
    form.whole("MachineDetectionSpeechThreshold", 1000, 6000, 21234)
    form.whole("MachineDetectionSpeechEndThreshold", 500, 5000, 21234)
    form.whole("MachineDetectionSilenceTimeout", 2000, 10_000, 21234)
    asynchronous = form.one_of("AsyncAmd", ("true", "false"), 21234) == "true"
    url = form.url("AsyncAmdStatusCallback")
    method = form.method("AsyncAmdStatusCallbackMethod")
    if mode is None:
        return None
    if asynchronous and url is None:
        raise refused(21262, "AsyncAmd needs an AsyncAmdStatusCallback")
    if send_digits:
        form.notes.append((None, "MachineDetection is ignored together with SendDigits"))
        return None
    return MachineDetection(mode, url if asynchronous else None, method)


def _note_what_is_not_done(form: Form) -> None:
    for name, note in _NOT_DONE.items():
        value = form.get(name)
        if value is not None and value != "false":
            form.notes.append((None, f"{name}: {note}"))
