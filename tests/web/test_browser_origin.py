"""Which web pages may open a WebSocket of ours."""

from __future__ import annotations

import pytest

from bridge.web.browser_origin import check_origin
from bridge.web.problem import Problem
from tests.web.test_origin import connection


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:5050", "http://localhost:5050"),
        ("LOCALHOST:5050", "http://localhost:5050"),
        ("[::1]:5050", "http://[::1]:5050"),
        ("example.com", "https://example.com"),  # TLS ends in front of us
        ("example.com:443", "https://example.com"),
        ("example.com:80", "http://example.com"),
    ],
)
def test_pages_of_our_own_address_may(host: str, origin: str) -> None:
    check_origin(connection(host=host, headers={"origin": origin}))


def test_programs_send_no_origin() -> None:
    check_origin(connection())


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://localhost:8000",
        "http://localhost",
        "https://evil.example",
        "http://localhost:5050.evil.example",
        "file://localhost:5050",
        "http://[::1",
        "localhost:5050",
    ],
)
def test_others_may_not(origin: str) -> None:
    with pytest.raises(Problem) as caught:
        check_origin(connection(headers={"origin": origin}))
    assert (caught.value.status, caught.value.code) == (403, "foreign_origin")


def test_a_request_without_host_belongs_to_nobody() -> None:
    with pytest.raises(Problem):
        check_origin(connection(host="", headers={"origin": "http://"}))
