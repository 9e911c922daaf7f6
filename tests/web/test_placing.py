"""Placing calls over HTTP: what goes in, what comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from bridge.calls.placing_rules import ALIASES, FIELDS
from bridge.calls.store import MemoryCallStore
from bridge.errors import BridgeError, CarrierRefused, CarrierUnreachable
from bridge.twilio.placer import Placer
from bridge.web.placing import placing_router
from bridge.web.problem import install
from tests.web.browser import browse

CALL = "CA" + "1" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


class FixedClock:
    def now_s(self) -> float:
        return 0.0

    def utc(self) -> datetime:
        return NOW

    async def sleep_until_s(self, deadline_s: float) -> None:
        raise NotImplementedError


class StandIn:
    is_twilio = False

    def __init__(self, refusal: BridgeError | None = None) -> None:
        self.refusal = refusal
        self.asked: list[Mapping[str, object]] = []

    async def place(self, arguments: Mapping[str, object]) -> str:
        self.asked.append(arguments)
        if self.refusal:
            raise self.refusal
        return CALL

    async def hang_up(self, call_sid: str) -> None:
        raise NotImplementedError

    async def redirect(self, call_sid: str, twiml: str) -> None:
        raise NotImplementedError


def guard(request: HTTPConnection) -> None:
    if request.headers.get("authorization") == "Bearer wrong":
        raise HTTPException(401, "The key is wrong.", {"WWW-Authenticate": "Bearer"})


def app_with(carrier: StandIn | None) -> FastAPI:
    app = FastAPI()
    install(app)
    placer = Placer(
        carrier=carrier, store=MemoryCallStore(), mint=lambda request: request.parameters, clock=FixedClock()
    )
    app.include_router(
        placing_router(
            placer=placer, guard=guard, base_url=lambda request: f"http://{request.headers['host']}"
        )
    )
    return app


async def post(
    app: FastAPI, path: str, body: str | Mapping[str, Any], kind: str = "application/json", **headers: str
) -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    async with browse(app, root_path="/phones") as client:
        return await client.post(path, content=content, headers={"Content-Type": kind, **headers})


async def test_make_call_answers_exactly_the_sid() -> None:
    carrier = StandIn()
    answer = await post(app_with(carrier), "/make-call", {"to": "sip:jong-un@sip.linphone.org"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.text == f'{{"call_sid":"{CALL}"}}'
    assert carrier.asked[0]["to"] == "sip:jong-un@sip.linphone.org"
    assert carrier.asked[0]["status_callback"] == "http://localhost:5050/call-status"


@pytest.mark.parametrize("name", ["to", "phone_number", "phoneNumber"])
async def test_a_form_does_as_well(name: str) -> None:
    carrier = StandIn()
    body = f"{name}=%2B12025550123&from=%2B12025550199&parameters[order]=42&sinks=wav&sinks=log"
    body += "&timeout=30&record=true"
    answer = await post(app_with(carrier), "/make-call", body, FORM)
    assert answer.json() == {"call_sid": CALL}
    (asked,) = carrier.asked
    assert (asked["to"], asked["timeout"], asked["record"]) == ("+12025550123", 30, True)
    assert '<Parameter name="order" value="42" />' in str(asked["twiml"])


async def test_calls_answers_the_resource() -> None:
    fields = {"to": "+12005550123", "from": "+12025550199", "parameters": {"order": "42"}, "sinks": ["wav"]}
    answer = await post(app_with(StandIn()), "/calls", fields)
    assert (answer.status_code, answer.headers["location"]) == (201, f"/phones/calls/{CALL}")
    resource = answer.json()
    (hint,) = resource.pop("hints")
    assert hint.startswith("to:")
    assert resource == {
        "sid": CALL,
        "direction": "placed",
        "from": "+12025550199",
        "to": "+12005550123",
        "status": "queued",
        "created_at": "2026-01-01T00:00:00Z",
        **dict.fromkeys(("ringing_at", "answered_at", "ended_at", "duration_s", "sip_status", "answered_by")),
        "termination": None,
        "parameters": {"order": "42"},
        "sinks": ["wav"],
        "streams": [],
    }


async def test_passwords_do_not_come_back() -> None:
    fields = {"to": "sip:a@h", "sip_auth_username": "u", "sip_auth_password": "hunter2"}
    assert "hunter2" not in (await post(app_with(StandIn()), "/calls", fields)).text
    fields["sip_auth_password"] = "hunter2\n"
    assert "hunter2" not in (await post(app_with(StandIn()), "/calls", fields)).text


@pytest.mark.parametrize("path", ["/make-call", "/calls"])
@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ({"to": "nobody"}, "application/json", 422, "invalid_field"),
        ({}, "application/json", 422, "invalid_field"),
        ({"to": "sip:a@h", "unknown": 1}, "application/json", 422, "invalid_field"),
        ({"to": "+12025550123"}, "application/json", 422, "invalid_field"),
        ("{", "application/json", 400, "bad_json"),
        ("to=%FF", FORM, 400, "bad_form"),
        ("<to/>", "text/xml", 415, "unsupported_media_type"),
        ("x" * 70_000, "application/json", 413, "body_too_large"),
    ],
)
async def test_what_is_wrong_is_a_problem(
    path: str, body: str | dict[str, object], kind: str, status: int, code: str
) -> None:
    carrier = StandIn()
    answer = await post(app_with(carrier), path, body, kind)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not carrier.asked


async def test_field_fault_and_fix_are_named() -> None:
    answer = await post(app_with(StandIn()), "/make-call", {"phoneNumber": "2025550123"})
    problem = answer.json()
    assert problem["field"] == "phoneNumber"
    assert "does not begin with +" in problem["detail"]
    assert "+12025550123" in problem["hint"]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (
            CarrierRefused("Invalid", status=400, code=21211, more_info="https://t/21211"),
            422,
            "carrier_refused",
        ),
        (CarrierRefused("Authenticate", status=401, code=20003), 502, "carrier_credentials"),
        (CarrierUnreachable("nobody there"), 502, "carrier_unreachable"),
    ],
)
async def test_the_carriers_errors(refusal: BridgeError, status: int, code: str) -> None:
    answer = await post(app_with(StandIn(refusal)), "/make-call", {"to": "sip:a@h"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().get("twilio_code") == getattr(refusal, "code", None)


async def test_without_credentials() -> None:
    answer = await post(app_with(None), "/make-call", {"to": "sip:a@h"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")


async def test_the_guard_comes_first() -> None:
    answer = await post(app_with(StandIn()), "/calls", "{", authorization="Bearer wrong")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_only_post() -> None:
    async with browse(app_with(StandIn())) as client:
        assert (await client.get("/make-call")).status_code == 405


def test_the_description_names_every_field_and_every_error() -> None:
    paths = app_with(StandIn()).openapi()["paths"]
    for path in ("/make-call", "/calls"):
        described = paths[path]["post"]
        content = described["requestBody"]["content"]
        assert set(content) == {"application/json", FORM, "multipart/form-data"}
        assert set(content["application/json"]["schema"]["properties"]) == set(FIELDS) | set(ALIASES)
        assert {"400", "413", "415", "422", "502"} <= set(described["responses"])
        assert set(described["responses"]["422"]["content"]) == {"application/problem+json"}


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.sampled_from(["sip:a@h", "https://h/"])
    | st.lists(st.text(max_size=4), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2)
)


@given(st.dictionaries(st.sampled_from([*FIELDS, *ALIASES]) | st.text(max_size=4), ANYTHING, max_size=4))
async def test_any_request_is_a_call_or_a_problem_of_its_own_making(fields: dict[str, object]) -> None:
    answer = await post(app_with(StandIn()), "/calls", fields)
    assert answer.status_code in {201, 422}
