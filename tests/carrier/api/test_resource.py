from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from bridge.carrier.api.resource import formatted, resource_of, rfc2822
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document

SPECIFICATION: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "data" / "twilio_calls.openapi.json").read_text()
)
CALL: dict[str, Any] = SPECIFICATION["components"]["schemas"]["api.v2010.account.call"]
NOW = datetime(2010, 8, 31, 20, 36, 28, tzinfo=UTC)


def validate(resource: Any, schema: dict[str, Any]) -> None:
    """Hold something against Twilio's own description of it."""
    OAS30Validator({**schema, "components": SPECIFICATION["components"]}).validate(resource)


def make(to: str = "+12025550123") -> CarrierCall:
    request = CallRequest(to=to, from_="+15005550006", document=Document())
    return CarrierCall(request, account_sid="AC" + "a" * 32, direction="outbound-api", created=NOW)


def test_a_new_call_has_exactly_twilios_fields() -> None:
    resource = resource_of(make())
    validate(resource, CALL)
    assert resource.keys() == CALL["properties"].keys()
    assert (resource["status"], resource["direction"]) == ("queued", "outbound-api")
    for field in ("start_time", "end_time", "duration", "price", "answered_by", "parent_call_sid"):
        assert resource[field] is None
    assert resource["queue_time"] == "0"
    example = SPECIFICATION["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]["responses"][
        "201"
    ]
    listed = example["content"]["application/json"]["examples"]["create"]["value"]["subresource_uris"]
    uris = resource["subresource_uris"]
    assert isinstance(uris, dict)
    assert uris.keys() == listed.keys()
    for name, uri in listed.items():
        assert uris[name] == uri.replace("CA" + "a" * 32, str(resource["sid"]))


def test_an_ended_call_has_times_and_a_duration() -> None:
    call = make()
    call.started = NOW
    call.move("ringing", NOW)
    call.move("in-progress", NOW + timedelta(seconds=2))
    call.move("completed", NOW + timedelta(seconds=14))
    resource = resource_of(call)
    validate(resource, CALL)
    assert (resource["duration"], resource["status"]) == ("12", "completed")
    assert resource["date_created"] == resource["start_time"] == "Tue, 31 Aug 2010 20:36:28 +0000"
    assert resource["end_time"] == resource["date_updated"] == "Tue, 31 Aug 2010 20:36:42 +0000"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("+12025550123", "(202) 555-0123"),
        ("+442071838750", "+442071838750"),
        ("sip:demo@localhost", "sip:demo@localhost"),
        ("client:demo", "client:demo"),
    ],
)
def test_only_north_american_numbers_are_formatted(address: str, shown: str) -> None:
    assert formatted(address) == shown


def test_absent_times_are_null() -> None:
    assert rfc2822(None) is None
