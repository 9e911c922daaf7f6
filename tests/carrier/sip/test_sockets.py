"""Which ports SIP opens, and what it says where it cannot."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from bridge.carrier.sip.sockets import Sockets
from bridge.sip.hop import Hop
from bridge.testing import settle


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


class Connected:
    """Sockets of ours, the tasks they start, and the hops they have lost."""

    def __init__(self) -> None:
        self.lost: list[Hop] = []
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.sockets = Sockets(lambda _data, _hop: None, self._lose, spawn=self._spawn)

    async def loses(self, count: int) -> None:
        while len(self.lost) < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 5)

    def _lose(self, hop: Hop) -> None:
        self.lost.append(hop)
        self._news.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def listening(port: int = 0) -> AsyncIterator[tuple[asyncio.Queue[asyncio.StreamWriter], Hop]]:
    """Take connections; give them as they come, and where they go to."""
    came: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue(10)
    open_ones: list[asyncio.StreamWriter] = []

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        await came.put(writer)

    server = await asyncio.start_server(take, "127.0.0.1", port)
    async with server:
        yield came, Hop("tcp", "127.0.0.1", server.sockets[0].getsockname()[1])
        for writer in open_ones:
            writer.close()
            await writer.wait_closed()


async def test_why_there_is_no_connection_is_known_until_there_is_one() -> None:
    ours, hop = Connected(), Hop("tcp", "127.0.0.1", a_free_port())
    assert ours.sockets.why_not(hop) == ""
    ours.sockets.send(b"x", hop)
    await ours.loses(1)
    assert ours.sockets.why_not(hop) == "Connection refused"
    async with listening(hop.port) as (writers, _):
        ours.sockets.send(b"x", hop)
        await asyncio.wait_for(writers.get(), 5)
        assert ours.sockets.why_not(hop) == ""
        ours.sockets.close()


async def test_only_the_latest_reasons_are_kept() -> None:
    ours, port = Connected(), a_free_port()
    hops = [Hop("tcp", f"127.0.0.{number}", port) for number in range(1, 103)]
    for number, hop in enumerate(hops, start=1):
        ours.sockets.send(b"x", hop)
        await ours.loses(number)
    assert [bool(ours.sockets.why_not(hop)) for hop in hops] == [False] * 2 + [True] * 100


async def test_the_end_of_a_connection_is_told_to_who_waits_for_it() -> None:
    ours = Connected()
    async with listening() as (writers, hop):
        await asyncio.wait_for(ours.sockets.until_ended(hop), 5)  # there is none
        ours.sockets.send(b"x", hop)
        writer = await asyncio.wait_for(writers.get(), 5)
        waiting = asyncio.ensure_future(ours.sockets.until_ended(hop))
        await settle()
        assert not waiting.done()
        writer.close()
        await asyncio.wait_for(waiting, 5)
        assert (ours.lost[0].host, ours.lost[0].port) == (hop.host, hop.port)
        ours.sockets.close()


async def test_a_host_may_be_named_and_peers_are_told_its_number() -> None:
    one = sockets()
    await one.open("localhost", 0)
    address, _ = one.address_toward(Hop("udp", "127.0.0.1", 5060))
    one.close()
    assert address in {"127.0.0.1", "::1"}


async def test_a_name_nobody_knows_is_said_with_its_setting() -> None:
    with pytest.raises(OSError, match="BRIDGE_SIP_HOST"):
        await sockets().open("no-such-host.invalid", 0)
