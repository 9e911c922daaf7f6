"""The real server on a free port, inside the test's own loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from bridge.app import Bridge
from bridge.server.run import new_server
from bridge.server.websocket import WebSocketProtocol


@asynccontextmanager
async def running(
    app: FastAPI, websocket: type[asyncio.Protocol] | str = WebSocketProtocol, port: int = 0
) -> AsyncIterator[int]:
    """Serve a bridge on 127.0.0.1, draining it at the end; gives the port, a free one unless one is named."""
    bridge: Bridge = app.state.bridge
    async with _serving(app, bridge.drain, websocket, port) as found:
        yield found


@asynccontextmanager
async def running_plain(
    app: Any, websocket: type[asyncio.Protocol] | str = WebSocketProtocol
) -> AsyncIterator[int]:
    """Serve any application on 127.0.0.1; gives the port."""

    async def nothing() -> None: ...

    async with _serving(app, nothing, websocket) as port:
        yield port


@asynccontextmanager
async def _serving(
    app: Any, drain: Callable[[], Awaitable[None]], websocket: type[asyncio.Protocol] | str, port: int = 0
) -> AsyncIterator[int]:
    listening = socket.create_server(("127.0.0.1", port))
    server = new_server(app, host="127.0.0.1", port=0, drain=drain, websocket=websocket)
    started = asyncio.Event()
    startup = server.startup

    async def start(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = start  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve([listening]))
        waiting = group.create_task(started.wait())
        await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
