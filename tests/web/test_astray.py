"""Requests that no route takes are told where they would have been taken."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bridge.app import create_app
from bridge.settings import Settings
from tests.running import running
from tests.web.browser import browse


@pytest.fixture
def client() -> httpx.AsyncClient:
    return browse(create_app(Settings()))


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    async with running(create_app(Settings(recordings_dir=tmp_path))) as port:
        yield port


@pytest.mark.parametrize("path", ["/", "/make-cal", "/calls/CA1/nothing"])
async def test_a_path_without_anything_leads_to_the_docs(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (404, "not_found")
    assert problem["detail"] == "There is nothing at this path."
    assert "/docs" in problem["hint"]


async def test_a_wrong_method_is_told_all_that_are_allowed(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/calls")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (405, "method_not_allowed")
    assert problem["detail"] == "DELETE is not taken here."
    assert problem["hint"].startswith("Allowed: GET, POST. ")
    assert answer.headers["allow"] == "GET, POST"


async def test_a_plain_request_at_a_socket_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/media-stream")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "This path takes WebSockets only."


@pytest.mark.parametrize(
    ("path", "detail", "hint"),
    [
        ("/media-strem", "There is no WebSocket at this path.", "/media-stream"),
        ("/", "There is no WebSocket at this path.", "/events"),
        ("/make-call", "This path takes HTTP requests, no WebSocket.", "Send POST."),
    ],
)
async def test_a_socket_at_no_route_is_404_with_the_problem(
    port: int, path: str, detail: str, hint: str
) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://127.0.0.1:{port}{path}")
    answer = caught.value.response
    problem = json.loads(answer.body or b"")
    assert answer.status_code == problem["status"] == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["detail"]) == ("not_found", detail)
    assert hint in problem["hint"]


async def test_a_server_without_denial_responses_is_sent_a_close() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/media-strem",
        "headers": [],
        "query_string": b"",
        "extensions": {},
    }
    await create_app(Settings())(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
