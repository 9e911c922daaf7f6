from __future__ import annotations

import pytest

from bridge.carrier.stream.url import StreamFault, handshake_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://bridge.example.com/media-stream", "wss://bridge.example.com/media-stream"),
        ("wss://Bridge.Example.COM:8443/A%20b/", "wss://Bridge.Example.COM:8443/A%20b/"),
        ("wss://example.com", "wss://example.com"),
        ("wss://user:pass@example.com/x?token=1&y#rc=2", "wss://example.com/x"),
        ("WSS://example.com/x", "wss://example.com/x"),
        ("ws://localhost:5050/media-stream", "ws://localhost:5050/media-stream"),
        ("ws://LOCALHOST/", "ws://LOCALHOST/"),
        ("ws://127.0.0.1:1/", "ws://127.0.0.1:1/"),
        ("ws://127.8.9.10/", "ws://127.8.9.10/"),
        ("ws://[::1]:5050/x", "ws://[::1]:5050/x"),
    ],
)
def test_what_is_asked_for_is_the_url_without_login_query_and_fragment(url: str, expected: str) -> None:
    assert handshake_url(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "ws://example.com/",
        "ws://localhost.example.com/",
        "ws://localhost@example.com/",
        "ws://10.0.0.1/",
        "ws://0.0.0.0/",
        "ws://[::]/",
        "https://example.com/",
        "http://localhost/",
        "tcp://127.0.0.1/",
    ],
)
def test_other_schemes_are_31922(url: str) -> None:
    fault = handshake_url(url)
    assert isinstance(fault, StreamFault)
    assert fault.code == 31922


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/media-stream",
        "example.com/media",
        "wss://",
        "wss:///path",
        "wss://host:port/",
        "wss://host:99999/",
        "wss://host:0/",
        "wss://[::1/",
        "wss://host/a b",
        "wss://host/\r\nX-Evil: 1",
        "wss://höst/",
    ],
)
def test_what_is_no_url_is_31923(url: str) -> None:
    fault = handshake_url(url)
    assert isinstance(fault, StreamFault)
    assert fault.code == 31923
