"""The fields of a request, by name, and what they mean for each other."""

from __future__ import annotations

import inspect

import pytest
from twilio.rest.api.v2010.account.call import CallList  # type: ignore[import-untyped]

from bridge.calls.destination import Kind
from bridge.calls.placing_rules import CARRIER_FIELDS, FIELDS, check_together, spell
from bridge.errors import InvalidField


def test_every_field_sent_on_exists_in_the_helper_library() -> None:
    known = set(inspect.signature(CallList.create_async).parameters)
    assert set(CARRIER_FIELDS) <= known
    assert set(FIELDS) - set(CARRIER_FIELDS) - {"from", "parameters", "sinks"} <= known


def test_names_and_aliases() -> None:
    assert spell({"phoneNumber": "+1", "timeout": 3, "url": None}) == {
        "to": "phoneNumber",
        "timeout": "timeout",
    }


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ("To", "Did you mean to?"),
        ("StatusCallback", "Did you mean status_callback?"),
        ("timeot", "Did you mean timeout?"),
        ("xyzzy", "Known are async_amd, "),
        ("x" * 500, "Known are "),
    ],
)
def test_unknown_fields_are_refused_with_a_suggestion(given: str, fix: str) -> None:
    with pytest.raises(InvalidField) as raised:
        spell({"to": "+1", given: "x"})
    assert raised.value.field == given[:60]
    assert raised.value.fix.startswith(fix)


def test_the_same_thing_twice_is_refused() -> None:
    with pytest.raises(InvalidField, match="the same as to"):
        spell({"to": "+1", "phone_number": "+1"})


@pytest.mark.parametrize(
    ("values", "kind", "field", "fault"),
    [
        ({"byoc": "BY"}, "sip", "byoc", "only for a phone number"),
        ({"byoc": "BY"}, "client", "byoc", "only for a phone number"),
        (
            {"sip_auth_username": "u", "sip_auth_password": "p"},
            "number",
            "sip_auth_username",
            "only for a sip: ",
        ),
        ({"sip_auth_username": "u"}, "sip", "sip_auth_username", "without sip_auth_password"),
        ({"sip_auth_password": "p"}, "sip", "sip_auth_password", "without sip_auth_username"),
        ({"method": "GET"}, "sip", "method", "without url"),
        ({"fallback_url": "u"}, "sip", "fallback_url", "without url"),
        ({"status_callback_event": ["x"]}, "sip", "status_callback_event", "without status_callback"),
        ({"async_amd": True}, "number", "async_amd", "without machine_detection"),
        (
            {"machine_detection_timeout": 5},
            "number",
            "machine_detection_timeout",
            "without machine_detection",
        ),
        (
            {"machine_detection": "Enable", "async_amd": False, "async_amd_status_callback": "u"},
            "number",
            "async_amd_status_callback",
            "without async_amd",
        ),
        ({"record": False, "trim": "x"}, "number", "trim", "without record"),
        (
            {"machine_detection": "Enable", "send_digits": "1"},
            "number",
            "machine_detection",
            "with send_digits",
        ),
        ({"url": "u", "parameters": {"a": "1"}}, "sip", "parameters", "with url"),
        ({"url": "u", "sinks": ("wav",)}, "sip", "sinks", "with url"),
    ],
)
def test_what_does_not_go_together(values: dict[str, object], kind: Kind, field: str, fault: str) -> None:
    with pytest.raises(InvalidField, match=fault) as raised:
        check_together(values, kind)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"byoc": "BY"}, "number"),
        ({"sip_auth_username": "u", "sip_auth_password": "p"}, "sip"),
        ({"url": "u", "method": "GET", "fallback_url": "u", "fallback_method": "GET"}, "number"),
        ({"machine_detection": "Enable", "async_amd": True, "async_amd_status_callback": "u"}, "number"),
        ({"async_amd": False, "record": False}, "number"),
        ({"url": "u", "parameters": {}}, "sip"),
    ],
)
def test_what_does(values: dict[str, object], kind: Kind) -> None:
    check_together(values, kind)
