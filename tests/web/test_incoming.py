"""The voice webhook: TwiML out, Twilio's signature in."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bridge.app import create_app
from bridge.settings import Settings

TOKEN, ACCOUNT = "an auth token", "AC" + "0" * 32
FORM = {"CallSid": "CA" + "1" * 32, "From": "+12025550123", "To": "+12025550199", "Direction": "inbound"}
PUBLIC = "https://bridge.example.com"


@asynccontextmanager
async def client_of(
    app: FastAPI, base_url: str = "http://localhost:5050"
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a running application, without a network."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 40_000))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=base_url) as http,
    ):
        yield http


@asynccontextmanager
async def client(
    base_url: str = "http://localhost:5050", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(Settings(**settings)), base_url) as http:
        yield http


def strict(**changes: Any) -> dict[str, Any]:
    return {"twilio_account_sid": ACCOUNT, "twilio_auth_token": TOKEN, "public_url": PUBLIC, **changes}


def signed(url: str, form: dict[str, str]) -> dict[str, str]:
    """What Twilio's own helper library signs."""
    return {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, form)}


def stream(twiml: bytes) -> tuple[ET.Element, dict[str, str]]:
    connect = ET.fromstring(twiml).find("Connect")  # noqa: S314  (our own answer)
    assert connect is not None
    element = connect.find("Stream")
    assert element is not None
    return element, {p.attrib["name"]: p.attrib["value"] for p in element.findall("Parameter")}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_on_a_laptop_the_answer_streams_to_this_very_server(method: str) -> None:
    async with client() as http:
        if method == "POST":
            answer = await http.post("/incoming-call", data=FORM)
        else:
            answer = await http.get("/incoming-call", params=FORM)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    element, parameters = stream(answer.content)
    assert element.attrib["url"] == "ws://localhost:5050/media-stream"
    assert parameters["bridge_from"] == "+12025550123"
    assert parameters["bridge_to"] == "+12025550199"
    assert parameters["bridge_token"].count(".") == 2
    connect = ET.fromstring(answer.content).find("Connect")  # noqa: S314
    assert connect is not None
    assert connect.attrib["action"] == "http://localhost:5050/stream-ended"


async def test_the_public_url_makes_the_socket_s_address() -> None:
    async with client(public_url=PUBLIC, greeting="One moment & wait") as http:
        answer = await http.post("/incoming-call", data=FORM)
    assert stream(answer.content)[0].attrib["url"] == "wss://bridge.example.com/media-stream"
    say = ET.fromstring(answer.content).find("Say")  # noqa: S314
    assert say is not None
    assert say.text == "One moment & wait"


async def test_trusted_forwarding_headers_make_it_too() -> None:
    headers = {"X-Forwarded-Host": "abc.ngrok.app", "X-Forwarded-Proto": "https"}
    settings = strict(public_url=None, trusted_proxies="127.0.0.0/8")
    async with client(**settings) as http:
        signature = signed("https://abc.ngrok.app/incoming-call", FORM)
        answer = await http.post("/incoming-call", data=FORM, headers={**headers, **signature})
    assert stream(answer.content)[0].attrib["url"] == "wss://abc.ngrok.app/media-stream"


@pytest.mark.parametrize(
    "url",
    [f"{PUBLIC}/incoming-call", f"{PUBLIC}:443/incoming-call"],
)
async def test_the_helper_library_s_signature_is_accepted(url: str) -> None:
    async with client("http://internal:5050", **strict()) as http:
        answer = await http.post("/incoming-call", data=FORM, headers=signed(url, FORM))
        assert answer.status_code == 200


async def test_a_get_is_signed_with_its_query() -> None:
    query = urlencode(FORM)
    async with client(**strict()) as http:
        answer = await http.get(
            f"/incoming-call?{query}", headers=signed(f"{PUBLIC}/incoming-call?{query}", {})
        )
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_signature"),
        ({"X-Twilio-Signature": "bm9wZQ=="}, "bad_signature"),
        (signed("http://bridge.example.com/incoming-call", FORM), "bad_signature"),
        (signed(f"{PUBLIC}/incoming-call", FORM | {"From": "+1"}), "bad_signature"),
    ],
)
async def test_anything_else_is_refused_even_on_loopback(headers: dict[str, str], code: str) -> None:
    async with client(**strict()) as http:
        answer = await http.post("/incoming-call", data=FORM, headers=headers)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "BRIDGE_PUBLIC_URL" in answer.json()["hint"]
    assert TOKEN not in answer.text


async def test_without_credentials_nobody_from_outside_is_served() -> None:
    async with client() as http:
        answer = await http.post("/incoming-call", data=FORM, headers={"X-Forwarded-For": "192.0.2.7"})
    assert (answer.status_code, answer.json()["code"]) == (403, "no_credentials")


async def test_made_up_credentials_leave_loopback_open_but_not_a_tunnel() -> None:
    async with client(**strict(local_credentials=True, public_url=None)) as http:
        assert (await http.post("/incoming-call", data=FORM)).status_code == 200
        tunnelled = await http.post("/incoming-call", data=FORM, headers={"X-Forwarded-For": "192.0.2.7"})
        assert tunnelled.status_code == 403


async def test_an_impossible_call_sid_is_named() -> None:
    async with client() as http:
        answer = await http.post("/incoming-call", data=FORM | {"CallSid": "../x"})
    assert answer.status_code == 400
    assert answer.json()["field"] == "CallSid"


async def test_a_body_beyond_any_webhook_is_refused() -> None:
    async with client() as http:
        answer = await http.post(
            "/incoming-call",
            content=b"a=" + b"x" * 300_000,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        many = await http.post(
            "/incoming-call",
            content=b"a=1&" * 2000,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    assert answer.status_code == 413
    assert (many.status_code, many.json()["code"]) == (400, "too_many_fields")


async def test_the_call_is_listed_from_the_webhook_on() -> None:
    async with client() as http:
        await http.post("/incoming-call", data=FORM)
        call = (await http.get(f"/calls/{FORM['CallSid']}")).json()
    assert (call["direction"], call["status"], call["from"]) == ("incoming", "ringing", "+12025550123")
