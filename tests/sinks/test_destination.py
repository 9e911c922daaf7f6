"""URLs may hold secrets; what stands in logs and records must not."""

from __future__ import annotations

import pytest

from bridge.sinks.destination import destination_of


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com/path?key=secret#x", "https://example.com"),
        ("https://user:secret@example.com:8443/", "https://example.com:8443"),
        ("wss://secret@[::1]:9000/x", "wss://[::1]:9000"),
        ("http://a@b@c/", "http://c"),
    ],
)
def test_a_name_is_scheme_host_and_port(url: str, name: str) -> None:
    assert destination_of(url) == name
