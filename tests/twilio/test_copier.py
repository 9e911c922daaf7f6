"""Copies of callbacks: to whom, when, signed how, and never for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Literal

import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bridge.calls.record import CallbackCopy, CallRecord
from bridge.twilio.copier import MAX_AT_ONCE, StatusCopier
from tests.twilio.api_stage import says, stage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CALL = "CA" + "1" * 32
FORM = [("CallSid", CALL), ("CallStatus", "in-progress"), ("To", "+12025550123"), ("A", ""), ("Ü", "ü &=+")]

Make = Callable[..., StatusCopier]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    made: list[StatusCopier] = []

    def build(auth_token: str | None = None, timeout_s: float = 5.0) -> StatusCopier:
        made.append(StatusCopier(auth_token, timeout_s=timeout_s))
        return made[-1]

    yield build
    for copier in made:
        await copier.close()


def record(
    url: str | None = None, *events: str, method: Literal["GET", "POST"] = "POST", amd: str | None = None
) -> CallRecord:
    made = CallRecord(CALL, "placed", "bridge", "sip:a@h", NOW)
    made.status_copy = CallbackCopy(url, frozenset(events), method) if url else None
    made.amd_copy = CallbackCopy(amd) if amd else None
    return made


async def test_a_copy_is_the_form_signed_for_its_receiver(make: Make) -> None:
    async with stage(says(204, "")) as app:
        url = f"{app.url}/status?x=%7e1%2c"
        assert await make("12345").copy_status(record(url, "answered"), FORM) == "delivered"
    (taken,) = app.taken
    assert (taken.method, taken.path, taken.query, taken.form) == ("POST", "/status", "x=%7e1%2c", FORM)
    signature = taken.headers["x-twilio-signature"]
    assert RequestValidator("12345").validate(url, dict(FORM), signature)


async def test_by_get_the_form_goes_into_the_query(make: Make) -> None:
    async with stage(says(200, "")) as app:
        for url in (f"{app.url}/a", f"{app.url}/b?x=1#rc=2"):
            assert await make("12345").copy_status(record(url, "answered", method="GET"), FORM) == "delivered"
    first, second = app.taken
    query = "CallSid=" + CALL + "&CallStatus=in-progress&To=%2B12025550123&A=&%C3%9C=%C3%BC+%26%3D%2B"
    assert (first.method, first.query, first.form) == ("GET", query, [])
    assert second.query == f"x=1&{query}"
    assert RequestValidator("12345").validate(f"{app.url}/a?{query}", {}, first.headers["x-twilio-signature"])


async def test_without_a_token_it_is_not_signed(make: Make) -> None:
    async with stage(says(200, "")) as app:
        await make().copy_status(record(f"{app.url}/a", "answered"), FORM)
    assert "x-twilio-signature" not in app.taken[0].headers


@pytest.mark.parametrize(
    ("events", "status", "fate"),
    [
        (["answered"], "in-progress", "delivered"),
        (["answered"], "ringing", "unasked"),
        (["completed"], "busy", "delivered"),
        (["completed"], "no-answer", "delivered"),
        (["initiated", "ringing"], "ringing", "delivered"),
        (["completed"], "queued", "unasked"),
        (["completed"], "nonsense", "unasked"),
    ],
)
async def test_only_what_was_asked_for(make: Make, events: list[str], status: str, fate: str) -> None:
    async with stage(says(200, "")) as app:
        form = [("CallStatus", status)]
        assert await make().copy_status(record(f"{app.url}/a", *events), form) == fate
    assert len(app.taken) == (fate == "delivered")


async def test_nobody_asked(make: Make) -> None:
    assert await make().copy_status(record(), FORM) == "unasked"
    assert await make().copy_detection(record(), FORM) == "unasked"


async def test_detection(make: Make) -> None:
    async with stage(says(200, "")) as app:
        assert (
            await make().copy_detection(record(amd=f"{app.url}/amd"), [("AnsweredBy", "human")])
            == "delivered"
        )
    assert app.taken[0].form == [("AnsweredBy", "human")]


async def test_one_retry(make: Make) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=503 if len(app.taken) == 1 else 200)

    async with stage(answer) as app:
        assert await make().copy_status(record(f"{app.url}/a", "answered"), FORM) == "delivered"
    assert len(app.taken) == 2


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_and_no_more(make: Make, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async with stage(says(status, "")) as app:
        url = f"{app.url}/secret-path"
        assert await make("12345").copy_status(record(url, "answered"), FORM) == "failed"
    assert len(app.taken) == 2
    assert f"it answered {status}" in caplog.text
    assert "secret-path" not in caplog.text


async def test_redirects_are_not_followed(make: Make) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    async with stage(answer) as app:
        assert await make().copy_status(record(f"{app.url}/a", "answered"), FORM) == "delivered"
    assert len(app.taken) == 1


async def test_cookies_are_not_kept(make: Make) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with stage(answer) as app:
        copier = make()
        for _ in range(2):
            await copier.copy_status(record(f"{app.url}/a", "answered"), FORM)
    assert not [taken for taken in app.taken if "cookie" in taken.headers]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://localhost/", "gopher://h/", "/relative", "http://"]
)
async def test_only_http(make: Make, url: str) -> None:
    assert await make().copy_status(record(url, "answered"), FORM) == "failed"


async def test_a_receiver_that_does_not_answer(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    over = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await over.wait()
        return web.Response()

    async with stage(answer) as app:
        assert await make(timeout_s=0.1).copy_status(record(f"{app.url}/a", "answered"), FORM) == "failed"
        over.set()
    assert "no answer within 0.1 s" in caplog.text


async def test_too_many_at_once_are_dropped(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    over, all_there = asyncio.Event(), asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        if len(app.taken) == MAX_AT_ONCE:
            all_there.set()
        await over.wait()
        return web.Response()

    caplog.set_level(logging.WARNING)
    async with stage(answer) as app, asyncio.TaskGroup() as group:
        copier = make()
        copies = [
            group.create_task(copier.copy_status(record(f"{app.url}/a", "answered"), FORM))
            for _ in range(MAX_AT_ONCE)
        ]
        await all_there.wait()
        assert await copier.copy_status(record(f"{app.url}/a", "answered"), FORM) == "dropped"
        over.set()
        assert {await copy for copy in copies} == {"delivered"}
        assert await copier.copy_status(record(f"{app.url}/a", "answered"), FORM) == "delivered"
    assert "is dropped" in caplog.text
