from __future__ import annotations

import socket

from bridge.cli.port import why_not


def test_a_free_port_and_a_taken_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert why_not("127.0.0.1", port) == "Address already in use"
    assert why_not("127.0.0.1", port) is None


def test_an_address_of_another_machine() -> None:
    assert why_not("192.0.2.1", 5050) == "Cannot assign requested address"
