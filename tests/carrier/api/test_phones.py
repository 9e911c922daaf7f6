"""``GET /phones``: who may ask, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from bridge.carrier.api.phones import phones_router
from bridge.carrier.api.routes import add_error_shape
from bridge.carrier.sip.roster import Roster, RosterPhone, RosterTrunk

ACCOUNT_SID, AUTH_TOKEN = "AC" + "a" * 32, "12345"
ROSTER = Roster(
    (RosterPhone("+12025550123", "sip:192.0.2.1:5062", "tls", "Phone/1.0", 299),),
    (RosterTrunk("office", "failed", "503 Service Unavailable"),),
)


@asynccontextmanager
async def client(
    peer: str = "127.0.0.1", base: str = "http://127.0.0.1:5070"
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(phones_router(lambda: ROSTER, ACCOUNT_SID, AUTH_TOKEN))
    add_error_shape(app)
    transport = httpx.ASGITransport(app, client=(peer, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=base) as http:
        yield http


@pytest.mark.parametrize(
    ("peer", "base"),
    [
        ("127.0.0.1", "http://127.0.0.1:5070"),
        ("127.0.0.1", "http://localhost"),
        ("::1", "http://[::1]:5070"),
    ],
)
async def test_this_machine_may_ask_and_sees_no_whole_number(peer: str, base: str) -> None:
    async with client(peer, base) as http:
        answer = await http.get("/phones")
    assert answer.json() == {
        "phones": [
            {
                "user": "+1202•••0123",
                "contact": "sip:192.0.2.1:5062",
                "transport": "tls",
                "user_agent": "Phone/1.0",
                "expires_in_s": 299,
            }
        ],
        "trunks": [{"name": "office", "state": "failed", "reason": "503 Service Unavailable"}],
    }


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.0.2.7", {}),
        ("a-name", {}),
        ("127.0.0.1", {"Host": "carrier.example.com"}),
        ("127.0.0.1", {"Host": "127.0.0.1.example.com:5070"}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", {"Origin": "http://127.0.0.1:5070"}),
        ("127.0.0.1", {"Sec-Fetch-Site": "cross-site"}),
    ],
)
async def test_everybody_else_needs_the_accounts_credentials(peer: str, headers: dict[str, str]) -> None:
    async with client(peer) as http:
        bare = await http.get("/phones", headers=headers)
        wrong = await http.get("/phones", headers=headers, auth=(ACCOUNT_SID, "x"))
        right = await http.get("/phones", headers=headers, auth=(ACCOUNT_SID, AUTH_TOKEN))
    assert [bare.status_code, wrong.status_code, right.status_code] == [401, 401, 200]
    assert bare.json()["code"] == 20003
    assert "+1202•••0123" in right.text


async def test_it_only_tells() -> None:
    async with client() as http:
        assert (await http.post("/phones")).status_code == 405
