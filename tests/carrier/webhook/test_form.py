from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document, MachineDetection, SipSide
from bridge.carrier.webhook.form import call_form, is_number

NUMBERS = CallRequest(to="+15005550006", from_="+441632960001", document=Document())
"""The caller's number is one that is kept for drama."""


def form_of(
    request: CallRequest, *, answered_by: str | None = None, status: str | None = None
) -> dict[str, str]:
    call = CarrierCall(
        request, account_sid="AC1", direction="inbound", created=datetime(2026, 1, 1, tzinfo=UTC)
    )
    call.answered_by = answered_by
    form = call_form(call, status)
    assert len({name for name, _ in form}) == len(form)
    return dict(form)


def test_a_call_between_numbers_has_empty_places_and_known_countries() -> None:
    form = form_of(NUMBERS)
    expected = {
        "AccountSid",
        "ApiVersion",
        "CallSid",
        "CallStatus",
        "Direction",
        "From",
        "Caller",
        "To",
        "Called",
    }
    places = {
        f"{who}{what}"
        for who in ("From", "Caller", "To", "Called")
        for what in ("City", "State", "Zip", "Country")
    }
    assert set(form) == expected | places
    assert (form["From"], form["Caller"], form["To"], form["Called"]) == (
        "+441632960001",
        "+441632960001",
        "+15005550006",
        "+15005550006",
    )
    assert form["FromCountry"] == form["CallerCountry"] == "GB"
    assert form["FromCity"] == form["ToZip"] == ""
    assert (form["ApiVersion"], form["Direction"], form["CallStatus"]) == ("2010-04-01", "inbound", "queued")


def test_sip_ends_have_no_places_but_their_own_fields() -> None:
    side = SipSide(
        "demo.sip.example",
        "abc@host",
        "192.0.2.7",
        "SD" + "0" * 32,
        (("X-Trace", "7"), ("User-to-User", "u")),
    )
    form = form_of(CallRequest(to="sip:a@b.example", from_="sip:c@d.example", document=Document(), sip=side))
    assert {name: value for name, value in form.items() if name.startswith("Sip")} == {
        "SipDomain": "demo.sip.example",
        "SipDomainSid": "SD" + "0" * 32,
        "SipCallId": "abc@host",
        "SipSourceIp": "192.0.2.7",
        "SipHeader_X-Trace": "7",
        "SipHeader_User-to-User": "u",
    }
    assert not [name for name in form if name.endswith(("City", "Country"))]


def test_extras_caller_id_and_callback_status() -> None:
    request = replace(NUMBERS, extra=(("StirVerstat", "TN-Validation-Passed-A"),), caller_id="+12025550199")
    form = form_of(request, status="initiated")
    assert form["StirVerstat"] == "TN-Validation-Passed-A"
    assert form["From"] == form["Caller"] == "+12025550199"
    assert form["CallStatus"] == "initiated"


def test_synchronous_detection_goes_with_every_request_and_asynchronous_does_not() -> None:
    sync = replace(NUMBERS, machine_detection=MachineDetection("Enable"))
    later = replace(NUMBERS, machine_detection=MachineDetection("Enable", "http://localhost/amd"))
    assert form_of(sync, answered_by="unknown")["AnsweredBy"] == "unknown"
    assert "AnsweredBy" not in form_of(later, answered_by="unknown")
    assert "AnsweredBy" not in form_of(NUMBERS)


def test_numbers_are_e164() -> None:
    assert is_number("+15005550006")
    for other in (
        "15005550006",
        "+0123456789",
        "+1",
        "+1500555000６",
        "sip:a@b",
        "+1234567890123456",
        "+1 500",
    ):
        assert not is_number(other)
