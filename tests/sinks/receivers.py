"""The other ends of sinks that send: a web server and a Media Streams application, both by script."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """
    Answers POSTs by script, then by 204.

    ``script`` holds, per request, a status, a response, or a function that answers.
    """

    def __init__(self, *script: int | web.Response | Callable[[], Awaitable[web.Response]]) -> None:
        self.requests: list[Request] = []
        self._script = list(script)
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_post("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/audio"
        finally:
            await runner.cleanup()

    async def until(self, requests: int) -> None:
        async with asyncio.timeout(10):
            while len(self.requests) < requests:
                self._news.clear()
                await self._news.wait()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(Request(request.path, dict(request.headers), body))
        self._news.set()
        step = self._script.pop(0) if self._script else 204
        if isinstance(step, int):
            return web.Response(status=step)
        return step if isinstance(step, web.Response) else await step()


Behaviour = Callable[[ServerConnection], Awaitable[None]]


async def reads(_: ServerConnection) -> None:
    """Do nothing but read."""


class Application:
    """
    A Media Streams application: keeps what it gets; each connection behaves as scripted, then reads.

    Attributes:
        streams: The messages of each connection, decoded.
        closes: The close code of each connection that has ended.

    """

    def __init__(self, *script: Behaviour) -> None:
        self.streams: list[list[dict[str, Any]]] = []
        self.closes: list[int | None] = []
        self.headers: list[dict[str, str]] = []
        self._script = list(script)
        self._news = asyncio.Event()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        async with serve(self._talk, "127.0.0.1", port, ping_interval=None, close_timeout=1) as server:
            address = next(iter(server.sockets)).getsockname()
            yield f"ws://127.0.0.1:{address[1]}/media"

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not done():
                self._news.clear()
                await self._news.wait()

    def audio(self, stream: int = 0) -> bytes:
        media = [message["media"] for message in self.streams[stream] if message["event"] == "media"]
        return b"".join(b64decode(one["payload"]) for one in media)

    def events(self, stream: int = 0) -> list[str]:
        """The kinds of messages but media."""
        return [message["event"] for message in self.streams[stream] if message["event"] != "media"]

    def of_kind(self, event: str, stream: int = 0) -> list[dict[str, Any]]:
        return [message for message in self.streams[stream] if message["event"] == event]

    async def _talk(self, connection: ServerConnection) -> None:
        messages: list[dict[str, Any]] = []
        self.streams.append(messages)
        assert connection.request is not None
        self.headers.append(dict(connection.request.headers.raw_items()))
        self._news.set()
        behaviour = self._script.pop(0) if self._script else reads
        try:
            await behaviour(connection)
            async for message in connection:
                messages.append(json.loads(message))
                self._news.set()
        except ConnectionClosed:
            pass
        finally:
            self.closes.append(connection.close_code)
            self._news.set()
