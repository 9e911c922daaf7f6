"""Who really is on this machine, and what the world calls us."""

from ipaddress import ip_network

import pytest
from starlette.requests import HTTPConnection

from bridge.web.origin import PublicAddress, is_true_loopback


def connection(
    *,
    peer: str = "127.0.0.1",
    host: str = "localhost:5050",
    headers: dict[str, str] | None = None,
    scheme: str = "http",
    kind: str = "http",
    path: str = "/incoming-call",
    query: str = "",
) -> HTTPConnection:
    pairs = {"host": host, **(headers or {})}
    return HTTPConnection(
        {
            "type": kind,
            "scheme": scheme,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
            "client": (peer, 40_000),
            "server": ("127.0.0.1", 5050),
        }
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"host": "127.0.0.1:5050"}, True),
        ({"peer": "::1", "host": "[::1]:5050"}, True),
        ({"peer": "::ffff:127.0.0.1"}, True),
        ({"headers": {"origin": "http://localhost:5050"}}, True),
        ({"peer": "192.0.2.7"}, False),
        ({"peer": "::ffff:192.0.2.7"}, False),
        ({"host": "evil.example"}, False),
        ({"host": "localhost.evil.example"}, False),
        ({"host": ""}, False),
        ({"host": "[::1"}, False),
        ({"headers": {"x-forwarded-for": "192.0.2.7"}}, False),
        ({"headers": {"forwarded": "for=192.0.2.7"}}, False),
        ({"headers": {"x-forwarded-host": "x.ngrok.app"}}, False),
        ({"headers": {"origin": "https://evil.example"}}, False),
        ({"headers": {"origin": "null"}}, False),
        ({"headers": {"origin": "http://["}}, False),
        ({"headers": {"sec-fetch-site": "cross-site"}}, False),
        ({"headers": {"sec-fetch-site": "same-origin"}}, True),
    ],
)
def test_true_loopback(changes: dict[str, object], expected: bool) -> None:  # noqa: FBT001
    assert is_true_loopback(connection(**changes)) is expected  # type: ignore[arg-type]


def test_the_configured_address_wins() -> None:
    public = PublicAddress("https://bridge.example.com")
    request = connection(host="10.0.0.1", headers={"x-forwarded-host": "other"}, query="a=1&b=%20")
    assert public.seen_url(request) == "https://bridge.example.com/incoming-call?a=1&b=%20"
    assert public.socket_url(request, "/media-stream") == "wss://bridge.example.com/media-stream"


def test_forwarding_headers_are_believed_from_trusted_networks_only() -> None:
    headers = {"x-forwarded-host": "x.ngrok.app", "x-forwarded-proto": "https"}
    request = connection(peer="10.1.2.3", host="internal:5050", headers=headers)
    assert PublicAddress(None, (ip_network("10.0.0.0/8"),)).base(request) == "https://x.ngrok.app"
    assert PublicAddress(None, (ip_network("192.0.2.0/24"),)).base(request) == "http://internal:5050"


def test_of_several_proxies_the_nearest_is_believed() -> None:
    headers = {"x-forwarded-host": "invented.example, real.example", "x-forwarded-proto": "http, https"}
    request = connection(headers=headers)
    assert PublicAddress(None, (ip_network("127.0.0.0/8"),)).base(request) == "https://real.example"


def test_a_socket_is_seen_under_the_scheme_twilio_signs() -> None:
    request = connection(kind="websocket", scheme="ws", path="/media-stream")
    assert PublicAddress("https://b.example").seen_url(request) == "wss://b.example/media-stream"
    assert PublicAddress().seen_url(request) == "ws://localhost:5050/media-stream"
