"""RFC 6455, section by section, against a plain ASGI echo served by our protocol class."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.running import running_plain
from tests.server.raw_client import (
    ACCEPT,
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawClient,
    frame,
)

SEEN: list[dict[str, Any]] = []
SCOPES: list[dict[str, Any]] = []


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echo; ``/refuse``, ``/deny``, ``/fail``, ``/silent``, ``/close`` and ``/flood`` do as they say."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    SCOPES.append(scope)
    assert await receive() == {"type": "websocket.connect"}
    path = scope["path"]
    if path == "/refuse":
        await send({"type": "websocket.close"})
        return
    if path == "/deny":
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "websocket.http.response.start", "status": 418, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"short ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"and stout"})
        return
    if path == "/silent":
        return
    await send(
        {
            "type": "websocket.accept",
            "subprotocol": scope["subprotocols"][-1] if scope["subprotocols"] else None,
            "headers": [(b"x-greeting", b"hello")],
        }
    )
    if path == "/flood":
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(60_000)})
        except OSError:
            SEEN.append({"type": "websocket.disconnect", "code": "told"})
            raise
    if path == "/close":
        await send({"type": "websocket.close", "code": 3999, "reason": "enough"})
    while True:
        message = await receive()
        SEEN.append(message)
        if message["type"] == "websocket.disconnect":
            return
        if path == "/fail":
            raise RuntimeError("out of order")
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    SEEN.clear()
    SCOPES.clear()
    async with running_plain(application) as one:
        yield one
        while RawClient.all:
            RawClient.all.pop().writer.close()


async def disconnected() -> dict[str, Any]:
    """Wait until the application was told the end."""
    async with asyncio.timeout(10):
        while not SEEN or SEEN[-1]["type"] != "websocket.disconnect":
            await asyncio.sleep(0)
    return SEEN[-1]


class TestSection4OpeningHandshake:
    async def test_the_answer_proves_that_the_key_was_read(self, port: int) -> None:
        _, answer = await RawClient.request(
            port, Sec_WebSocket_Protocol="soap, wamp", Connection="keep-alive, Upgrade"
        )
        assert answer.startswith("HTTP/1.1 101 Switching Protocols\r\n")
        lower = answer.lower()
        assert f"sec-websocket-accept: {ACCEPT}".lower() in lower
        assert "sec-websocket-protocol: wamp" in lower
        assert "x-greeting: hello" in lower
        assert "sec-websocket-extensions" not in lower

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
            ({"Sec_WebSocket_Key": "not base64!"}, 400),
            ({"Sec_WebSocket_Key": ""}, 400),
            ({"Sec_WebSocket_Version": "8"}, 426),
            ({"Sec_WebSocket_Version": ""}, 426),
        ],
    )
    async def test_a_faulty_request_is_told_so_over_http(
        self, port: int, changes: dict[str, str], status: int
    ) -> None:
        client, answer = await RawClient.request(port, **changes)
        assert answer.startswith(f"HTTP/1.1 {status} ")
        assert await client.reader.read()
        assert SCOPES == []

    async def test_the_scope_says_what_was_asked_for(self, port: int) -> None:
        await RawClient.opened(port, "/a%20b?x=1&y=%20")
        scope = SCOPES[0]
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/a b", b"/a%20b", b"x=1&y=%20")
        assert (scope["scheme"], scope["client"][0], scope["server"]) == (
            "ws",
            "127.0.0.1",
            ("127.0.0.1", port),
        )
        assert (b"host", b"localhost") in scope["headers"]

    async def test_an_application_may_refuse_deny_or_say_nothing(self, port: int) -> None:
        for path, status in (("/refuse", 403), ("/deny", 418), ("/silent", 500)):
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://127.0.0.1:{port}{path}")
            assert caught.value.response.status_code == status
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://127.0.0.1:{port}/deny")
        assert caught.value.response.body == b"short and stout"

    async def test_what_a_hasty_client_sends_with_its_request_is_not_lost(self, port: int) -> None:
        client, _ = await RawClient.request(port)
        client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
        assert [await client.frame(), await client.frame()] == [Frame(TEXT, b"one"), Frame(TEXT, b"two")]


class TestSection5Framing:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535])
    @pytest.mark.parametrize("kind", [TEXT, BINARY])
    async def test_every_length_comes_back(self, port: int, kind: int, size: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(kind, b"x" * size))
        assert await client.frame() == Frame(kind, b"x" * size)

    async def test_bytes_may_arrive_one_by_one(self, port: int) -> None:
        client = await RawClient.opened(port)
        for byte in frame(TEXT, "grüße".encode()):
            client.send(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert await client.frame() == Frame(TEXT, "grüße".encode())

    async def test_an_unmasked_frame_ends_the_connection(self, port: int) -> None:  # 5.1
        client = await RawClient.opened(port)
        client.send(frame(TEXT, b"x", masked=False))
        assert await client.close_code() == 1002

    @pytest.mark.parametrize("rsv", [1, 2, 3, 4, 7])
    @pytest.mark.parametrize("kind", [TEXT, BINARY, PING, PONG, CLOSE])
    async def test_reserved_bits_mean_nothing_here(self, port: int, kind: int, rsv: int) -> None:  # 5.2
        client = await RawClient.opened(port)
        client.send(frame(kind, b"", rsv=rsv))
        assert await client.close_code() == 1002

    @pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    async def test_reserved_opcodes_mean_nothing_either(self, port: int, opcode: int) -> None:  # 5.2
        client = await RawClient.opened(port)
        client.send(frame(opcode, b"x"))
        assert await client.close_code() == 1002

    @pytest.mark.parametrize("form", [16, 64])
    async def test_a_length_is_written_in_its_shortest_form(self, port: int, form: int) -> None:  # 5.2
        client = await RawClient.opened(port)
        client.send(frame(TEXT, b"x", length_form=form))
        assert await client.close_code() == 1002

    async def test_fragments_are_put_together_and_control_frames_may_come_between(
        self, port: int
    ) -> None:  # 5.4
        client = await RawClient.opened(port)
        client.send(
            frame(TEXT, b"one ", fin=False),
            frame(PING, b"p"),
            frame(CONTINUATION, b"two ", fin=False),
            frame(PONG, b"unasked"),
            frame(CONTINUATION, b"three"),
        )
        assert await client.frame() == Frame(PONG, b"p")
        assert await client.frame() == Frame(TEXT, b"one two three")
        client.send(
            frame(BINARY, b"", fin=False), frame(CONTINUATION, b"", fin=False), frame(CONTINUATION, b"")
        )
        assert await client.frame() == Frame(BINARY, b"")

    @pytest.mark.parametrize(
        "frames",
        [
            [frame(CONTINUATION, b"x")],
            [frame(CONTINUATION, b"x", fin=False)],
            [frame(TEXT, b"x", fin=False), frame(TEXT, b"y")],
            [frame(TEXT, b"x", fin=False), frame(BINARY, b"y", fin=False)],
            [frame(TEXT, b"x"), frame(CONTINUATION, b"y")],
        ],
    )
    async def test_fragments_out_of_order_end_the_connection(
        self, port: int, frames: list[bytes]
    ) -> None:  # 5.4
        client = await RawClient.opened(port)
        for one in frames:
            client.send(one)
            await client.writer.drain()
        assert await client.close_code() == 1002

    @pytest.mark.parametrize("kind", [PING, PONG, CLOSE])
    async def test_control_frames_are_short_and_whole(self, port: int, kind: int) -> None:  # 5.5
        for bad in (frame(kind, b"x" * 126), frame(kind, b"\x03\xe8", fin=False)):
            client = await RawClient.opened(port)
            client.send(bad)
            assert await client.close_code() == 1002

    @pytest.mark.parametrize("payload", [b"", b"x" * 125, b"\x00\xff\xfe"])
    async def test_a_ping_is_answered_with_its_own_words(self, port: int, payload: bytes) -> None:  # 5.5.2
        client = await RawClient.opened(port)
        client.send(frame(PING, payload), frame(PONG, b"unasked"), frame(TEXT, b"after"))
        assert await client.frame() == Frame(PONG, payload)
        assert await client.frame() == Frame(TEXT, b"after")


class TestSection7Closing:
    @pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999])
    async def test_legal_codes_are_echoed_and_told_to_the_application(self, port: int, code: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(CLOSE, struct.pack("!H", code) + "grüße".encode()))
        assert await client.close_code() == code
        assert await disconnected() == {"type": "websocket.disconnect", "code": code, "reason": "grüße"}

    async def test_a_close_without_a_code_is_answered_without_one(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(CLOSE))
        assert await client.frame() == Frame(CLOSE, b"")
        assert await client.frame() is None, "the server ends the connection (7.1.1)"
        assert (await disconnected())["code"] == 1005

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
    async def test_illegal_codes_are_protocol_errors(self, port: int, code: int) -> None:  # 7.4
        client = await RawClient.opened(port)
        client.send(frame(CLOSE, struct.pack("!H", code)))
        assert await client.close_code() == 1002

    async def test_half_a_code_and_a_reason_that_is_not_utf_8_are_errors(self, port: int) -> None:
        for payload, code in ((b"\x03", 1002), (b"\x03\xe8\xff", 1007)):
            client = await RawClient.opened(port)
            client.send(frame(CLOSE, payload))
            assert await client.close_code() == code

    async def test_nothing_is_taken_after_a_close(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(CLOSE, b"\x03\xe8"), frame(TEXT, b"late"), frame(PING, b"late"))
        assert await client.frame() == Frame(CLOSE, b"\x03\xe8")
        assert await client.frame() is None
        assert [message["type"] for message in SEEN] == ["websocket.disconnect"]

    async def test_a_lost_connection_is_1006(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(TEXT, b"x"))
        await client.frame()
        client.writer.transport.abort()
        assert (await disconnected())["code"] == 1006

    async def test_a_peer_that_closes_but_never_reads_is_told_and_let_go(self, port: int) -> None:
        client = await RawClient.opened(port, "/flood")
        client.send(frame(CLOSE, b"\x03\xe8"))
        assert (await disconnected())["code"] == "told", "at the close, not when TCP gives up"

    async def test_the_application_s_own_close_waits_for_the_answer(self, port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/close") as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert (socket.close_code, socket.close_reason) == (3999, "enough")
        assert (await disconnected())["code"] == 3999

    async def test_an_application_that_fails_ends_its_own_connection_with_1011(self, port: int) -> None:
        other = await RawClient.opened(port)
        client = await RawClient.opened(port, "/fail")
        client.send(frame(TEXT, b"x"))
        assert await client.close_code() == 1011
        other.send(frame(TEXT, b"still here"))
        assert await other.frame() == Frame(TEXT, b"still here")


class TestSection8Utf8:
    @pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ok\xc0\xaf"])
    async def test_text_that_is_not_utf_8_is_1007(self, port: int, bad: bytes) -> None:
        client = await RawClient.opened(port)
        client.send(frame(TEXT, bad))
        assert await client.close_code() == 1007

    async def test_a_character_may_be_cut_in_two_fragments(self, port: int) -> None:
        client = await RawClient.opened(port)
        word = "κόσμε".encode()
        for n in range(len(word)):
            client.send(frame(TEXT if n == 0 else CONTINUATION, word[n : n + 1], fin=n == len(word) - 1))
        assert await client.frame() == Frame(TEXT, word)

    async def test_it_fails_at_the_end_of_the_frame_that_holds_the_bad_byte(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(TEXT, b"good", fin=False), frame(CONTINUATION, b"b\xffd", fin=False))
        assert await client.close_code() == 1007, "though the message is not complete"

    async def test_binary_may_hold_anything(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(BINARY, bytes(range(256))))
        assert await client.frame() == Frame(BINARY, bytes(range(256)))


class TestLimits:
    async def test_a_message_beyond_the_limit_is_1009_in_one_frame_or_many(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(frame(TEXT, b"x" * 65_537))
        assert await client.close_code() == 1009
        client = await RawClient.opened(port)
        client.send(frame(BINARY, b"x" * 60_000, fin=False), frame(CONTINUATION, b"x" * 5_537))
        assert await client.close_code() == 1009

    async def test_many_messages_at_once_all_come_back_in_order(self, port: int) -> None:
        client = await RawClient.opened(port)
        client.send(*(frame(TEXT, b"%d" % n) for n in range(5000)))
        for n in range(5000):
            assert await client.frame() == Frame(TEXT, b"%d" % n)
