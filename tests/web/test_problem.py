"""Every error in one shape, and none that tells too much."""

from __future__ import annotations

from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Query

from bridge.errors import (
    AudioError,
    BridgeError,
    CallEnded,
    CallReadOnly,
    CallUnknown,
    CarrierRefused,
    CarrierUnreachable,
    ConfigurationError,
    InvalidField,
)
from bridge.web.problem import Problem, install, problem_of
from tests.web.browser import browse


def caused(error: BridgeError, cause: Exception) -> BridgeError:
    error.__cause__ = cause
    return error


INFO = "https://www.twilio.com/docs/errors/21211"
ERRORS: dict[str, tuple[Exception, int, dict[str, object]]] = {
    "field": (
        InvalidField("to", "it is odd.", "Send another."),
        422,
        {"code": "invalid_field", "field": "to", "detail": "it is odd.", "hint": "Send another."},
    ),
    "unknown": (CallUnknown("no such call"), 404, {"code": "call_unknown", "detail": "no such call"}),
    "ended": (CallEnded("over"), 409, {"code": "call_ended"}),
    "read_only": (CallReadOnly("one-way"), 409, {"code": "call_read_only"}),
    "refused": (
        CarrierRefused("Invalid 'To'", status=400, code=21211, more_info=INFO),
        422,
        {
            "code": "carrier_refused",
            "detail": "Invalid 'To'",
            "twilio_code": 21211,
            "more_info": INFO,
            "hint": INFO,
        },
    ),
    "refused_bare": (CarrierRefused("No", status=400), 422, {"code": "carrier_refused", "detail": "No"}),
    "credentials": (
        CarrierRefused("Authenticate", status=401, code=20003),
        502,
        {"code": "carrier_credentials", "twilio_code": 20003},
    ),
    "permission": (CarrierRefused("No", status=403), 502, {"code": "carrier_credentials"}),
    "account": (CarrierRefused("No", status=404, code=20404), 502, {"code": "carrier_credentials"}),
    "busy": (
        CarrierRefused("Slowly", status=429, code=20429),
        429,
        {"code": "carrier_busy", "twilio_code": 20429},
    ),
    "unreachable": (CarrierUnreachable("refused"), 502, {"code": "carrier_unreachable", "detail": "refused"}),
    "slow": (caused(CarrierUnreachable("slow"), TimeoutError()), 504, {"code": "carrier_unreachable"}),
    "settings": (ConfigurationError("set it"), 503, {"code": "not_configured", "detail": "set it"}),
    "audio": (AudioError("secret audio"), 500, {"code": "internal_error"}),
    "problem": (
        Problem(418, "teapot", "Short.", field="f", hint="h", headers={"X-A": "1"}, more={"handle": "here"}),
        418,
        {"code": "teapot", "field": "f", "hint": "h", "handle": "here"},
    ),
    "odd_status": (Problem(499, "gone", "Gone."), 499, {"code": "gone", "title": "Error"}),
    "http": (
        HTTPException(403, "not you"),
        403,
        {"code": "forbidden", "detail": "not you", "title": "Forbidden"},
    ),
    "http_other": (HTTPException(423, "locked"), 423, {"code": "error"}),
    "bug": (
        RuntimeError("secret of the house"),
        500,
        {"code": "internal_error", "title": "Internal Server Error"},
    ),
}


@pytest.fixture
def client() -> httpx.AsyncClient:
    app = FastAPI()
    install(app)

    @app.get("/raise/{name}")
    async def throw(name: str) -> None:
        raise ERRORS[name][0]

    @app.get("/number")
    async def number(limit: Annotated[int, Query(le=5)]) -> int:
        return limit

    @app.get("/not-modified")
    async def not_modified() -> None:
        raise HTTPException(304, headers={"ETag": "x"})

    return browse(app)


@pytest.mark.parametrize("name", ERRORS)
async def test_every_error(client: httpx.AsyncClient, name: str) -> None:
    _, status, members = ERRORS[name]
    answer = await client.get(f"/raise/{name}")
    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert members.items() <= problem.items()
    assert {"type", "title", "status", "code", "detail"} <= set(problem)
    assert None not in problem.values()
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


async def test_headers_are_sent(client: httpx.AsyncClient) -> None:
    assert (await client.get("/raise/problem")).headers["x-a"] == "1"


async def test_what_the_framework_finds(client: httpx.AsyncClient) -> None:
    missing, large = await client.get("/number"), await client.get("/number?limit=123456")
    assert missing.status_code == large.status_code == 422
    assert (missing.json()["field"], missing.json()["code"]) == ("limit", "invalid_field")
    assert "123456" not in large.text  # what was sent is not sent back
    assert "query" in large.json()["hint"]


async def test_no_route_and_no_method(client: httpx.AsyncClient) -> None:
    nowhere, wrong = await client.get("/nowhere"), await client.delete("/number")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET"


async def test_what_is_no_error_has_no_body(client: httpx.AsyncClient) -> None:
    answer = await client.get("/not-modified")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", "x")


def test_an_unforeseen_error_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert problem_of(AudioError("secret audio")).status == 500
    assert "secret audio" in caplog.text
