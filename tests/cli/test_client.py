from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from bridge.app import create_app
from bridge.carrier.application import create_carrier
from bridge.cli.client import ServerClient, local_url
from bridge.cli.neighbour import Role, who_answers
from bridge.errors import CarrierRefused, CarrierUnreachable
from bridge.settings import Settings
from tests.web.browser import browse


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with what the test wants, and remembers what came."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b"{}"
    health: ClassVar[bytes | None] = None
    seen: ClassVar[list[tuple[str, str, str | None, bytes]]] = []

    def do_GET(self) -> None:  # the standard library's spelling
        length = int(self.headers.get("Content-Length") or 0)
        self.seen.append((self.command, self.path, self.headers["Authorization"], self.rfile.read(length)))
        asked_for_health = self.health is not None and self.path == "/healthz"
        body = self.health if asked_for_health and self.health is not None else self.body
        self.send_response(200 if asked_for_health else self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None: ...


@contextmanager
def server(status: int, body: bytes, health: bytes | None = None) -> Iterator[str]:
    Answer.status, Answer.body, Answer.health = status, body, health
    Answer.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()
            thread.join()


def test_it_sends_json_and_the_key_and_reads_the_answer() -> None:
    with server(200, b'{"call_sid": "CA1"}') as url:
        assert ServerClient(url, "key").ask("POST", "/make-call", {"to": "+1"}) == {"call_sid": "CA1"}
    assert Answer.seen == [("POST", "/make-call", "Bearer key", b'{"to": "+1"}')]


def test_without_a_key_it_sends_none() -> None:
    with server(200, b"[]") as url:
        assert ServerClient(url).ask("GET", "/calls") == []
    assert Answer.seen == [("GET", "/calls", None, b"")]


def test_a_problem_becomes_one_sentence() -> None:
    problem = {"title": "x", "status": 422, "detail": "It is wrong.", "field": "to", "hint": "Send +1…"}
    with server(422, json.dumps(problem).encode()) as url, pytest.raises(CarrierRefused) as caught:
        ServerClient(url).ask("GET", "/")
    assert str(caught.value) == "to: It is wrong. Send +1…"
    assert caught.value.status == 422


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_any_other_error_is_named_by_its_status(body: bytes) -> None:
    with server(502, body) as url, pytest.raises(CarrierRefused, match="answered 502 Bad Gateway"):
        ServerClient(url).ask("GET", "/")


def test_no_server_is_said_with_what_to_do() -> None:
    with pytest.raises(CarrierUnreachable, match=r"no server answers at .* Start one with `bridge up`"):
        ServerClient("http://127.0.0.1:1").ask("GET", "/")


def test_an_answer_that_is_no_json_is_no_server_of_ours() -> None:
    with server(200, b"hello") as url, pytest.raises(CarrierUnreachable):
        ServerClient(url).ask("GET", "/")


HEALTH = {
    "server": b'{"status": "ok", "version": "1", "calls": 0}',
    "carrier": b'{"status": "ok", "live_calls": 0}',
}


@pytest.mark.parametrize(
    ("meant", "found", "message"),
    [
        ("server", "carrier", "the local carrier listens at .*, not the server: mend --port"),
        ("carrier", "server", "the server listens at .*, not the local carrier: mend --carrier-port"),
        ("server", "server", "the server answered 404 Not Found"),
        ("carrier", "carrier", "the local carrier answered 404 Not Found"),
    ],
)
def test_the_wrong_one_of_the_two_is_recognised(meant: Role, found: Role, message: str) -> None:
    with server(404, b"{}", HEALTH[found]) as url, pytest.raises(CarrierRefused, match=message):
        ServerClient(url, role=meant).ask("GET", "/calls")


def test_no_carrier_is_said_with_what_starts_one() -> None:
    with pytest.raises(CarrierUnreachable, match=r"no carrier answers at .* `bridge up` or `bridge carrier`"):
        ServerClient("http://127.0.0.1:1", role="carrier").ask("GET", "/phones")


@pytest.mark.parametrize("health", [b"[]", b"{}", b"hello", b'{"status": "ok"}'])
def test_a_stranger_is_neither(health: bytes) -> None:
    with server(200, health) as url:
        assert who_answers(url) is None


@pytest.mark.parametrize("role", ["server", "carrier"])
async def test_the_real_ones_are_recognised(role: Role) -> None:
    app = create_app(Settings()) if role == "server" else create_carrier(f"AC{32 * '0'}", "token")
    async with browse(app) as client:
        health = (await client.get("/healthz")).content
    with server(200, health) as url:
        assert await asyncio.to_thread(who_answers, url) == role


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:5050"),
        ("0.0.0.0", "http://127.0.0.1:5050"),
        ("::1", "http://[::1]:5050"),
        ("::", "http://[::1]:5050"),
        ("localhost", "http://localhost:5050"),
    ],
)
def test_what_is_listened_on_can_be_called(host: str, expected: str) -> None:
    assert local_url(host, 5050) == expected


def test_it_is_made_from_the_settings() -> None:
    settings = Settings(host="0.0.0.0", port=6000, api_key="k" * 16)
    assert ServerClient.of(settings) == ServerClient("http://127.0.0.1:6000", "k" * 16)
