"""A server that takes requests down and answers them as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Taken:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    form: list[tuple[str, str]]


@dataclass(slots=True)
class Stage:
    url: str
    taken: list[Taken] = field(default_factory=list)


@asynccontextmanager
async def stage(answer: Answer) -> AsyncIterator[Stage]:
    """Serve on a free port of loopback."""

    async def take(request: web.Request) -> web.StreamResponse:
        posted = await request.post()
        form = [(name, value) for name, value in posted.items() if isinstance(value, str)]
        headers = {name.lower(): value for name, value in request.headers.items()}
        set_down.taken.append(
            Taken(request.method, request.path, request.rel_url.raw_query_string, headers, form)
        )
        return await answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        set_down = Stage(str(server.make_url("")).rstrip("/"))
        yield set_down


def says(status: int, body: str, content_type: str = "application/json") -> Answer:
    """Always answer this."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=content_type)

    return answer
