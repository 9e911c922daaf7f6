from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from collections.abc import Callable, Coroutine

import pytest
import trustme
import uvloop
from websockets.asyncio.server import ServerConnection, serve

from bridge.carrier.stream.connect import connect
from bridge.carrier.stream.socket import StreamSocket
from bridge.carrier.stream.url import StreamFault
from bridge.clock import SystemClock
from tests.carrier.raw_peer import Script, accept, raw_server, read_request


def new_socket(opened: list[bool] | None = None) -> StreamSocket:
    return StreamSocket(
        on_open=lambda: opened.append(True) if opened is not None else None,
        on_text=lambda _: None,
        on_binary=lambda: None,
    )


async def attempt(url: str, *, timeout_s: float = 5) -> tuple[StreamFault | None, StreamSocket]:
    stream = new_socket()
    async with asyncio.timeout(10):
        return await connect(stream, url, signature=None, timeout_s=timeout_s), stream


async def code_from(script: Script, *, scheme: str = "ws", timeout_s: float = 5) -> int | None:
    async with raw_server(script) as port:
        fault, stream = await attempt(f"{scheme}://127.0.0.1:{port}/media", timeout_s=timeout_s)
        assert not stream.was_opened
        gc.collect()  # an unclosed transport would warn, and a warning fails the test
        return fault.code if fault is not None else None


def answering(answer: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await reader.read()

    return script


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_an_accepted_upgrade_opens_the_socket_before_it_returns() -> None:
    opened: list[bool] = []

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = new_socket(opened)
        assert await connect(stream, f"ws://localhost:{port}", signature=None) is None
        assert opened == [True]
        assert stream.is_open
        stream.close()
        await stream.gone(SystemClock(), within_s=5)


WRONG_KEY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: bm90IHlvdXIga2V5\r\n\r\n"
)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 403 Forbidden\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: ws://127.0.0.1:1/\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        WRONG_KEY,
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"X" * 20_000 + b"\r\n\r\n",
    ],
    ids=["200", "403", "301", "502", "no-headers", "wrong-key", "ssh", "endless"],
)
async def test_any_answer_but_a_proper_101_is_31920(answer: bytes) -> None:
    assert await code_from(answering(answer)) == 31920


async def test_the_status_is_told() -> None:
    async with raw_server(answering(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as port:
        fault, _ = await attempt(f"ws://127.0.0.1:{port}/")
    assert fault is not None
    assert "HTTP status 403" in fault.message


@pytest.mark.parametrize(
    "header", ["Sec-WebSocket-Extensions: permessage-deflate", "Sec-WebSocket-Protocol: x"]
)
async def test_a_choice_that_was_not_offered_is_31920(header: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(accept(await read_request(reader), header))
        await reader.read()

    assert await code_from(script) == 31920


async def test_a_server_that_closes_without_an_answer_is_31920() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.close()

    assert await code_from(script) == 31920


async def test_a_server_that_accepts_and_says_nothing_is_31901_and_sees_the_end() -> None:
    ended = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        assert await reader.read() == b""
        ended.set()

    assert await code_from(script, timeout_s=0.1) == 31901
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_refused_connection_is_31902() -> None:
    fault, _ = await attempt(f"ws://localhost:{free_port()}/")
    assert fault is not None
    assert fault.code == 31902


async def test_a_host_without_an_address_is_31904(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_address(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_address)
    fault, _ = await attempt("wss://no-such-host.example/")
    assert fault == StreamFault(31904, "the server cannot be reached: Name or service not known")


async def test_an_impossible_host_name_is_31904() -> None:
    fault, _ = await attempt(f"wss://{'x' * 64}.example/")
    assert fault is not None
    assert fault.code == 31904


async def test_a_cancelled_attempt_leaves_no_connection() -> None:
    arrived, ended = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()
        ended.set()

    async with raw_server(script) as port, asyncio.timeout(5), asyncio.TaskGroup() as group:
        connecting = group.create_task(connect(new_socket(), f"ws://127.0.0.1:{port}/", signature=None))
        await arrived.wait()
        connecting.cancel()
        await ended.wait()
    assert connecting.cancelled()


async def test_a_plain_tcp_server_behind_wss_is_31910() -> None:
    assert await code_from(answering_at_once(b"HTTP/1.1 400 Bad Request\r\n\r\n"), scheme="wss") == 31910


async def test_a_server_that_drops_the_tls_handshake_is_31910() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    assert await code_from(script, scheme="wss") == 31910


def answering_at_once(answer: bytes) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        await writer.drain()

    return script


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def tls_outcome(certificate: trustme.LeafCert, trusted: ssl.SSLContext | None) -> StreamFault | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        stream = new_socket()
        url = f"wss://localhost:{port}/media"
        fault = await connect(stream, url, signature=None, ssl_context=trusted)
        stream.close()
        await stream.gone(SystemClock(), within_s=5)
        return fault


async def test_a_verified_certificate_connects(authority: trustme.CA) -> None:
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    assert await tls_outcome(authority.issue_cert("localhost"), trusted) is None


async def test_an_unknown_authority_is_31910(authority: trustme.CA) -> None:
    fault = await tls_outcome(authority.issue_cert("localhost"), None)
    assert fault is not None
    assert fault.code == 31910
    assert "CERTIFICATE_VERIFY_FAILED" in fault.message


async def test_a_certificate_for_another_host_is_31910(authority: trustme.CA) -> None:
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    fault = await tls_outcome(authority.issue_cert("example.com"), trusted)
    assert fault is not None
    assert fault.code == 31910


@pytest.mark.parametrize(
    "scenario",
    [
        test_the_status_is_told,
        test_a_server_that_closes_without_an_answer_is_31920,
        test_a_server_that_accepts_and_says_nothing_is_31901_and_sees_the_end,
        test_a_refused_connection_is_31902,
        test_a_cancelled_attempt_leaves_no_connection,
        test_a_plain_tcp_server_behind_wss_is_31910,
        test_a_server_that_drops_the_tls_handshake_is_31910,
    ],
)
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(scenario())
