"""Which ports SIP opens, and what it says where it cannot."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bridge.carrier.sip.sockets import Sockets


def sockets() -> Sockets:
    def spawn(work: Coroutine[Any, Any, None]) -> None:
        raise AssertionError(work)

    return Sockets(lambda _data, _hop: None, lambda _hop: None, spawn=spawn)


@contextmanager
def taken(kind: socket.SocketKind) -> Iterator[int]:
    with socket.socket(type=kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        yield holder.getsockname()[1]


def occupy(monkeypatch: pytest.MonkeyPatch, failures: int) -> list[int]:
    """Let somebody else hold the UDP side of the next free TCP ports; give those that were tried."""
    loop = asyncio.get_running_loop()
    opened = loop.create_datagram_endpoint
    tried: list[int] = []

    async def create(factory: Any, local_addr: tuple[str, int]) -> Any:
        tried.append(local_addr[1])
        if len(tried) > failures:
            return await opened(factory, local_addr=local_addr)
        with socket.socket(type=socket.SOCK_DGRAM) as holder:
            holder.bind(local_addr)
            return await opened(factory, local_addr=local_addr)

    monkeypatch.setattr(loop, "create_datagram_endpoint", create)
    return tried


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


async def test_a_free_port_whose_udp_side_is_taken_is_given_up_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = occupy(monkeypatch, 9)
    ours = sockets()
    await ours.open("127.0.0.1", 0)
    try:
        assert ours.ports == {"udp": tried[-1], "tcp": tried[-1]}
        assert len(tried) == 10
        assert not is_free(tried[-1])
        assert all(is_free(port) for port in tried[:-1] if port != tried[-1])
    finally:
        ours.close()


async def test_ten_free_ports_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = occupy(monkeypatch, 1000)
    with pytest.raises(OSError, match="BRIDGE_SIP_PORT"):
        await sockets().open("127.0.0.1", 0)
    assert len(tried) == 10


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_taken_port_is_named_with_its_setting(kind: socket.SocketKind) -> None:
    with taken(kind) as port, pytest.raises(OSError, match="SIP") as raised:
        await sockets().open("127.0.0.1", port)
    assert raised.value.errno == errno.EADDRINUSE
    assert raised.value.strerror == (
        f"SIP cannot listen on 127.0.0.1 port {port}: Address already in use. "
        "Free it or change BRIDGE_SIP_PORT"
    )
    assert is_free(port)


async def test_a_taken_tls_port_leaves_nothing_open() -> None:
    ours = sockets()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with taken(socket.SOCK_STREAM) as port, pytest.raises(OSError, match="BRIDGE_SIP_TLS_PORT"):
        await ours.open("127.0.0.1", 0, tls_port=port, tls=tls)
    assert is_free(ours.ports["tcp"])


async def test_an_address_of_another_machine_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = occupy(monkeypatch, 0)
    with pytest.raises(OSError, match=r"192\.0\.2\.1 port 0: (Cannot assign|could not bind)"):
        await sockets().open("192.0.2.1", 0)
    assert tried == []
