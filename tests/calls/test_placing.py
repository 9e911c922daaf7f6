"""Requests as a whole, and what is made of them."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.rest.api.v2010.account.call import CallList  # type: ignore[import-untyped]

from bridge.calls.placing import PlaceCall, create_arguments, read_place_call
from bridge.calls.placing_rules import ALIASES, FIELDS
from bridge.calls.record import CallbackCopy
from bridge.errors import InvalidField

STATUS, AMD = "https://b/call-status", "https://b/amd-status"
NUMBER = {"to": "+12025550123", "from": "+12025550199"}
EVERYTHING = {
    **NUMBER,
    "url": "https://example.com/twiml",
    "method": "get",
    "fallback_url": "https://example.com/fallback",
    "fallback_method": "POST",
    "status_callback": "https://example.com/status",
    "status_callback_event": "initiated,answered",
    "status_callback_method": "GET",
    "timeout": "30",
    "time_limit": 3600,
    "machine_detection": "DetectMessageEnd",
    "machine_detection_timeout": 20,
    "machine_detection_speech_threshold": 2400,
    "machine_detection_speech_end_threshold": 1200,
    "machine_detection_silence_timeout": 5000,
    "async_amd": "true",
    "async_amd_status_callback": "https://example.com/amd",
    "async_amd_status_callback_method": "GET",
    "record": True,
    "recording_channels": "dual",
    "recording_track": "both",
    "recording_status_callback": "https://example.com/recording",
    "recording_status_callback_method": "POST",
    "recording_status_callback_event": ["completed", "absent"],
    "trim": "do-not-trim",
    "caller_id": "+12025550188",
    "call_reason": "Your order",
    "byoc": "BY" + "a" * 32,
}


def arguments(request: PlaceCall) -> dict[str, object]:
    return create_arguments(request, twiml="<Response/>", status_callback=STATUS, amd_callback=AMD)


def test_the_least_request() -> None:
    request = read_place_call({"to": "sip:jong-un@sip.linphone.org"})
    assert (request.to.kind, request.from_, request.sinks, request.hints) == ("sip", "bridge", None, ())
    assert arguments(request) == {
        "to": "sip:jong-un@sip.linphone.org",
        "from_": "bridge",
        "twiml": "<Response/>",
        "status_callback": "https://b/call-status",
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "status_callback_method": "POST",
    }


@pytest.mark.parametrize("name", ["to", *(alias for alias, name in ALIASES.items() if name == "to")])
def test_every_name_of_to(name: str) -> None:
    assert read_place_call({name: "client:a"}).to.address == "client:a"
    with pytest.raises(InvalidField) as raised:
        read_place_call({name: "nobody"})
    assert raised.value.field == name


def test_everything_at_once() -> None:
    request = read_place_call(EVERYTHING)
    sent = arguments(request)
    expected = EVERYTHING | {
        "from_": NUMBER["from"],
        "method": "GET",
        "timeout": 30,
        "async_amd_status_callback": AMD,
        "async_amd_status_callback_method": "POST",
        "status_callback": STATUS,
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "status_callback_method": "POST",
    }
    del expected["from"]
    assert sent == expected
    assert set(sent) <= set(inspect.signature(CallList.create_async).parameters)
    assert request.status_copy == CallbackCopy(
        "https://example.com/status", frozenset({"initiated", "answered"}), "GET"
    )
    assert request.amd_copy == CallbackCopy("https://example.com/amd", frozenset(), "GET")


def test_the_callers_own_callback_is_kept_for_copies_with_twilios_default() -> None:
    request = read_place_call({"to": "sip:a@h", "status_callback": "https://example.com/s"})
    assert request.status_copy == CallbackCopy("https://example.com/s", frozenset({"completed"}), "POST")


def test_sip_credentials_are_sent_and_not_shown() -> None:
    request = read_place_call({"to": "sip:a@h", "sip_auth_username": "u", "sip_auth_password": "hunter2"})
    assert arguments(request)["sip_auth_password"] == "hunter2"
    assert "hunter2" not in repr(request)


def test_synchronous_detection_needs_no_callback() -> None:
    sent = arguments(read_place_call({**NUMBER, "machine_detection": "Enable", "async_amd": False}))
    assert sent["async_amd"] == "false"
    assert "async_amd_status_callback" not in sent


def test_parameters_and_sinks_are_ours() -> None:
    request = read_place_call({"to": "sip:a@h", "parameters": {"order": "42"}, "sinks": ["wav"]})
    assert (request.parameters, request.sinks) == ({"order": "42"}, ("wav",))
    assert not {"parameters", "sinks"} & set(arguments(request))


@pytest.mark.parametrize(
    ("fields", "default", "expected"),
    [
        ({"to": "sip:a@h"}, "+12025550199", "+12025550199"),
        ({"to": "sip:a@h", "from": "desk"}, "+12025550199", "desk"),
        ({"to": "+12025550123"}, "+12025550199", "+12025550199"),
        ({"to": "client:a"}, None, "bridge"),
        ({"to": "client:a"}, "", "bridge"),
    ],
)
def test_from_whom(fields: dict[str, object], default: str | None, expected: str) -> None:
    assert read_place_call(fields, default_from=default).from_ == expected


def test_hints_come_along() -> None:
    (hint,) = read_place_call({**NUMBER, "to": "+12005550123"}).hints
    assert hint.startswith("to:")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "to"),
        ({"to": None}, "to"),
        ({"to": ""}, "to"),
        ({"to": 12025550123}, "to"),
        ({"to": "+12025550123"}, "from"),
        ({"to": "+12025550123", "from": "desk"}, "from"),
        ({"to": "sip:a@h", "from": "sip:b@h"}, "from"),
        ({"to": "sip:a@h", "byoc": "BY" + "a" * 32}, "byoc"),
        ({**NUMBER, "byoc": "BY1"}, "byoc"),
        ({**NUMBER, "sip_auth_username": "u", "sip_auth_password": "p"}, "sip_auth_username"),
        ({"to": "sip:a@h", "sip_auth_username": "u" * 256, "sip_auth_password": "p"}, "sip_auth_username"),
        ({"to": "sip:a@h", "method": "POST"}, "method"),
        ({"to": "sip:a@h", "url": "https://h/", "method": "PUT"}, "method"),
        ({"to": "sip:a@h", "timeout": 0}, "timeout"),
        ({"to": "sip:a@h", "timeout": 601}, "timeout"),
        ({"to": "sip:a@h", "time_limit": 0}, "time_limit"),
        ({"to": "sip:a@h", "send_digits": "12E"}, "send_digits"),
        ({"to": "sip:a@h", "send_digits": "1" * 33}, "send_digits"),
        ({"to": "sip:a@h", "send_digits": ""}, "send_digits"),
        ({"to": "sip:a@h", "machine_detection": "yes"}, "machine_detection"),
        ({"to": "sip:a@h", "machine_detection_timeout": 60}, "machine_detection_timeout"),
        ({"to": "sip:a@h", "record": "maybe"}, "record"),
        ({"to": "sip:a@h", "caller_id": ""}, "caller_id"),
        ({"to": "sip:a@h", "status_callback": "javascript:alert(1)"}, "status_callback"),
        ({"to": "sip:a@h", "status_callback_event": ["completed"]}, "status_callback_event"),
        (
            {"to": "sip:a@h", "status_callback": "https://h/", "status_callback_event": ["done"]},
            "status_callback_event",
        ),
        (
            {"to": "sip:a@h", "status_callback": "https://h/", "status_callback_events": []},
            "status_callback_events",
        ),
        ({"to": "sip:a@h", "parameters": {"a": 1}}, "parameters.a"),
        ({"to": "sip:a@h", "unknown": 1}, "unknown"),
        ({"to": "sip:a@h", "twiml": "<Response/>"}, "twiml"),
        ({"to": "sip:a@h", "application_sid": "AP1"}, "application_sid"),
    ],
)
def test_each_failure_names_its_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidField) as raised:
        read_place_call(fields)
    assert raised.value.field == field
    assert raised.value.fault
    assert raised.value.fix


@given(
    st.dictionaries(
        st.sampled_from(sorted(FIELDS)) | st.text(max_size=5),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=10)
        | st.lists(st.text(max_size=5), max_size=2)
        | st.sampled_from(["+12025550123", "sip:a@h", "https://h/", "Enable", "GET"]),
        max_size=6,
    )
)
def test_any_request_is_a_call_or_an_invalid_field(fields: dict[str, object]) -> None:
    try:
        request = read_place_call(fields)
    except InvalidField:
        return
    assert set(arguments(request)) <= set(inspect.signature(CallList.create_async).parameters)
