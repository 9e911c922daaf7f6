from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bridge.carrier.webhook.answer import MAX_BODY_BYTES, Failure, Reply
from bridge.carrier.webhook.fetch import WebhookClient, signable_url, without_login
from bridge.clock import SystemClock
from tests.carrier.signalling_stage import AUTH_TOKEN, Application, Asked, application, twiml

FIELDS = [("CallSid", "CA1"), ("To", "+1 ü&=%"), ("Empty", "")]


class Asker:
    """A client and what it warned about."""

    def __init__(self, session: aiohttp.ClientSession, token: str | None) -> None:
        self.client = WebhookClient(session, auth_token=token, clock=SystemClock())
        self.warnings: list[str] = []

    async def post(self, url: str) -> Reply | Failure:
        return await self.client.ask(url, "POST", FIELDS, warn=self._warn)

    async def get(self, url: str) -> Reply | Failure:
        return await self.client.ask(url, "GET", FIELDS, warn=self._warn)

    def _warn(self, _code: int | None, message: str) -> None:
        self.warnings.append(message)


@asynccontextmanager
async def asking(token: str | None = AUTH_TOKEN) -> AsyncIterator[tuple[Application, Asker]]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with application() as program, aiohttp.ClientSession(connector=connector) as session:
        yield program, Asker(session, token)


async def test_a_post_looks_like_twilios_and_is_signed() -> None:
    async with asking() as (program, asker):
        program.answers["/voice"] = twiml("<Hangup/>")
        reply = await asker.post(f"{program.url}/voice?room=a%2Fb&x=1")
        assert reply == Reply(
            f"{program.url}/voice?room=a%2Fb&x=1", 200, "text/xml", b"<Response><Hangup/></Response>"
        )
        [asked] = program.asked["/voice"]
        assert asked.method == "POST"
        assert asked.url.endswith("/voice?room=a%2Fb&x=1")  # byte for byte
        assert asked.headers["User-Agent"] == "TwilioProxy/1.1"
        assert asked.headers["Accept"] == "*/*"
        assert asked.headers["X-Home-Region"] == "us1"
        assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=UTF-8"
        assert "Accept-Encoding" not in asked.headers
        assert asked.headers["I-Twilio-Idempotency-Token"]
        assert {name: asked.fields[name] for name, _ in FIELDS} == dict(FIELDS)
        validator = RequestValidator(AUTH_TOKEN)
        signature = asked.headers["X-Twilio-Signature"]
        assert validator.validate(asked.url, dict(FIELDS), signature)
        assert not validator.validate(asked.url, {}, signature)


async def test_a_get_carries_the_fields_in_its_query() -> None:
    async with asking() as (program, asker):
        await asker.get(f"{program.url}/a")
        await asker.get(f"{program.url}/b?x=1")
        [plain], [with_query] = program.asked["/a"], program.asked["/b"]
        assert parse_qsl(urlsplit(plain.url).query, keep_blank_values=True) == FIELDS
        assert parse_qsl(urlsplit(with_query.url).query, keep_blank_values=True) == [("x", "1"), *FIELDS]
        assert plain.signed()
        assert with_query.signed()


async def test_without_a_token_nothing_is_signed() -> None:
    async with asking(token=None) as (program, asker):
        await asker.post(f"{program.url}/voice")
        assert "X-Twilio-Signature" not in program.asked["/voice"][0].headers


async def test_media_is_fetched_bare() -> None:
    async with asking() as (program, asker):
        program.answers["/a.wav"] = web.Response(body=b"RIFF" * 30_000, content_type="audio/wav")
        reply = await asker.client.fetch(f"{program.url}/a.wav")
        assert isinstance(reply, Reply)
        assert len(reply.body) == 120_000  # the 64 kB are for documents
        [asked] = program.asked["/a.wav"]
        assert asked.method == "GET"
        assert asked.fields == {}
        assert "X-Twilio-Signature" not in asked.headers


@pytest.mark.parametrize(("status", "method", "with_fields"), [(302, "GET", False), (307, "POST", True)])
async def test_redirects_are_followed_and_each_hop_is_signed(
    status: int, method: str, *, with_fields: bool
) -> None:
    async with asking() as (program, asker):
        program.answers["/old"] = web.Response(status=status, headers={"Location": "new?y=2"})
        program.answers["/new"] = twiml("")
        reply = await asker.post(f"{program.url}/old")
        assert isinstance(reply, Reply)
        assert reply.url == f"{program.url}/new?y=2"
        [asked] = program.asked["/new"]
        assert asked.method == method
        assert ("CallSid" in asked.fields) == with_fields
        fields = dict(FIELDS) if with_fields else {}
        validator = RequestValidator(AUTH_TOKEN)
        assert validator.validate(asked.url, fields, asked.headers["X-Twilio-Signature"])


async def test_an_eleventh_redirect_is_too_many() -> None:
    async with asking() as (program, asker):
        program.answers["/loop"] = web.Response(status=307, headers={"Location": "/loop"})
        answer = await asker.post(f"{program.url}/loop")
        assert isinstance(answer, Failure)
        assert answer.code == 11215
        assert len(program.asked["/loop"]) == 11


@pytest.mark.parametrize(("status", "policy"), [(404, "4xx"), (500, "5xx")])
async def test_an_error_status_is_11200_and_is_retried_only_on_request(status: int, policy: str) -> None:
    async with asking() as (program, asker):
        program.answers["/voice"] = web.Response(status=status)
        answer = await asker.post(f"{program.url}/voice")
        assert isinstance(answer, Failure)
        assert (answer.code, answer.policy) == (11200, policy)
        assert len(program.asked["/voice"]) == 1
        await asker.post(f"{program.url}/voice#rc=2&rp={policy}")
        assert len(program.asked["/voice"]) == 4
        first, second, third, fourth = (
            asked.headers["I-Twilio-Idempotency-Token"] for asked in program.asked["/voice"]
        )
        assert first != second == third == fourth  # the retries of one request share its token


async def test_a_retry_can_succeed() -> None:
    async with asking() as (program, asker):
        codes = iter([503, 503, 200])

        async def flaky(_asked: Asked) -> web.Response:
            return web.Response(status=next(codes), text="<Response/>", content_type="text/xml")

        program.answers["/voice"] = flaky
        reply = await asker.post(f"{program.url}/voice#rc=2&rp=5xx")
        assert isinstance(reply, Reply)
        assert reply.status == 200


async def test_a_slow_answer_times_out_and_is_retried_on_request() -> None:
    async with asking() as (program, asker):

        async def never(_asked: Asked) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError

        program.answers["/voice"] = never
        answer = await asker.post(f"{program.url}/voice#rt=100&rc=1&rp=rt")
        assert isinstance(answer, Failure)
        assert (answer.code, answer.policy) == (11205, "rt")
        assert len(program.asked["/voice"]) == 2


async def test_the_total_time_out_covers_all_attempts() -> None:
    async with asking() as (program, asker):

        async def never(_asked: Asked) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError

        program.answers["/voice"] = never
        answer = await asker.post(f"{program.url}/voice#tt=400&rt=300&rc=5&rp=all")
        assert isinstance(answer, Failure)
        assert answer.code == 11203
        assert len(program.asked["/voice"]) in {1, 2}


async def test_a_refused_connection_is_11202() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    async with asking() as (_, asker):
        answer = await asker.post(f"http://127.0.0.1:{port}/voice")
        assert isinstance(answer, Failure)
        assert (answer.code, answer.policy) == (11202, "ct")


async def test_a_connection_that_is_never_made_is_11201() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1)
    address = listener.getsockname()
    # The queue of connections nobody accepts is full: further ones are not even answered.
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(address)
    try:
        async with asking() as (_, asker):
            answer = await asker.post(f"http://127.0.0.1:{address[1]}/voice#ct=100&rc=0")
            assert isinstance(answer, Failure)
            assert (answer.code, answer.policy) == (11201, "ct")
    finally:
        for one in [listener, *waiting]:
            one.close()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", 11206),
        (b"", 11205),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", 11206),
    ],
)
async def test_what_is_not_http_is_named(sent: bytes, code: int) -> None:
    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        writer.close()

    async with asking() as (_, asker), await asyncio.start_server(peer, "127.0.0.1", 0) as server:
        answer = await asker.post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        assert isinstance(answer, Failure)
        assert answer.code == code


async def test_tls_on_a_plain_port_is_11220() -> None:
    async with asking() as (program, asker):
        answer = await asker.post(program.url.replace("http:", "https:") + "#rc=0")
        assert isinstance(answer, Failure)
        assert answer.code == 11220


@pytest.mark.parametrize(
    "url", ["http://", "not a url", "ftp://127.0.0.1/x", "http://[::1", "http://a:99999/"]
)
async def test_a_malformed_url_is_11100(url: str) -> None:
    async with asking() as (_, asker):
        answer = await asker.post(url)
        assert isinstance(answer, Failure)
        assert answer.code == 11100


async def test_a_document_may_have_64_kb() -> None:
    async with asking() as (program, asker):
        program.answers["/ok"] = web.Response(body=b"x" * MAX_BODY_BYTES, content_type="text/xml")
        program.answers["/long"] = web.Response(body=b"x" * (MAX_BODY_BYTES + 1), content_type="text/xml")
        assert isinstance(await asker.post(f"{program.url}/ok"), Reply)
        answer = await asker.post(f"{program.url}/long")
        assert isinstance(answer, Failure)
        assert answer.code == 11750


async def test_odd_overrides_are_told_without_secrets() -> None:
    async with asking() as (program, asker):
        await asker.post(f"{program.url}/voice?key=secret#ct=1")
        assert len(asker.warnings) == 1
        assert "secret" not in asker.warnings[0]


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("https://a.example:8443/p?q=1#ct=100", "https://a.example/p?q=1"),
        ("http://a.example:5050/p", "http://a.example:5050/p"),
        ("wss://a.example:443/media-stream", "wss://a.example/media-stream"),
        ("ws://localhost:5050/media-stream", "ws://localhost:5050/media-stream"),
        ("https://u:p@A.example?x", "https://A.example?x"),
        ("https://[::1]:5050/p", "https://[::1]/p"),
        ("https://[::1]/p", "https://[::1]/p"),
    ],
)
def test_what_of_a_url_is_signed(url: str, signed: str) -> None:
    assert signable_url(url) == signed


def test_only_the_login_is_left_out() -> None:
    assert without_login("http://u:p@h/a@b?c=@#@") == "http://h/a@b?c=@#@"
    pairs = pairwise(["http://h", "http://h/", "h", ""])
    assert all(without_login(url) == url for pair in pairs for url in pair)
