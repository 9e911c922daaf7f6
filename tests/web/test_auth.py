"""Who may use the routes of our own programs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.test_incoming import client

KEY = "a key of many characters"
ROUTES = [
    ("POST", "/make-call"),
    ("POST", "/calls"),
    ("GET", "/calls"),
    ("GET", "/calls/CA"),
    ("POST", "/calls/CA/hangup"),
    ("GET", "/calls/CA/recording"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "request_",
    [
        {"headers": {"X-Forwarded-For": "192.0.2.7"}},
        {"headers": {"Host": "bridge.example.com"}},
        {"headers": {"Origin": "https://evil.example"}},
    ],
)
async def test_without_a_key_only_this_machine_is_served(
    method: str, path: str, request_: dict[str, Any]
) -> None:
    async with client() as http:
        assert (await http.request(method, path)).status_code not in {401, 403}
        answer = await http.request(method, path, **request_)
    assert (answer.status_code, answer.json()["code"]) == (403, "loopback_only")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_with_a_key_everybody_needs_it_loopback_too(method: str, path: str) -> None:
    async with client(api_key=KEY) as http:
        bare = await http.request(method, path)
        wrong = await http.request(method, path, headers={"Authorization": "Bearer nope"})
        right = await http.request(
            method, path, headers={"Authorization": f"bearer {KEY}", "X-Forwarded-For": "192.0.2.7"}
        )
    assert (bare.status_code, bare.json()["code"]) == (401, "no_key")
    assert bare.headers["www-authenticate"] == "Bearer"
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_key")
    assert right.status_code not in {401, 403}


async def test_health_is_open_and_says_nothing_of_anybody() -> None:
    async with client(api_key=KEY) as http:
        answer = await http.get("/healthz", headers={"X-Forwarded-For": "192.0.2.7"})
    assert answer.json() == {"status": "ok", "version": "0.1.0", "calls": 0}
