from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest

from bridge.cli.client import ServerClient, local_url
from bridge.errors import CarrierRefused, CarrierUnreachable
from bridge.settings import Settings


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers everything with what the test wants, and remembers what came."""

    status: ClassVar[int] = 200
    body: ClassVar[bytes] = b"{}"
    seen: ClassVar[list[tuple[str, str, str | None, bytes]]] = []

    def do_GET(self) -> None:  # the standard library's spelling
        length = int(self.headers.get("Content-Length") or 0)
        self.seen.append((self.command, self.path, self.headers["Authorization"], self.rfile.read(length)))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_arguments: object) -> None: ...


@contextmanager
def server(status: int, body: bytes) -> Iterator[str]:
    Answer.status, Answer.body = status, body
    Answer.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}"
        finally:
            running.shutdown()
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
