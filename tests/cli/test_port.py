from __future__ import annotations

import socket

import pytest

from bridge.cli.port import check_free, why_not
from bridge.errors import ConfigurationError


def test_a_free_port_and_a_taken_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert why_not("127.0.0.1", port) == "Address already in use"
    assert why_not("127.0.0.1", port) is None


def test_udp_and_tcp_are_ports_of_their_own() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert why_not("127.0.0.1", port, "udp") == "Address already in use"
        assert why_not("127.0.0.1", port, "tcp") is None
    assert why_not("127.0.0.1", port, "udp") is None


def test_an_address_of_another_machine() -> None:
    assert why_not("192.0.2.1", 5050) == "Cannot assign requested address"


def test_a_port_that_is_taken_for_udp_is_refused_where_udp_is_needed() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        check_free("port", "127.0.0.1", port, "--port")
        with pytest.raises(ConfigurationError, match=r"for UDP: Address already in use.*with --port"):
            check_free("port", "127.0.0.1", port, "--port", "udp")


def test_any_free_port_will_do() -> None:
    check_free("port", "192.0.2.1", 0, "--port")
