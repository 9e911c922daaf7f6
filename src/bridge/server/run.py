"""Run the application under uvicorn; on SIGTERM finish the calls, then the requests, then stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import aiofastnet
import uvicorn

from bridge.server.websocket import WebSocketProtocol

log = logging.getLogger(__name__)

AsgiApp = Callable[..., Awaitable[None]]

MAX_WEBSOCKET_MESSAGE_BYTES: Final = 65_536
"""Twilio's messages have about 400 bytes; more than this closes the socket with 1009."""

_GRACEFUL_S: Final = 15
_SWITCH_INTERVAL_S: Final = 0.0005
_SELDOM: Final = 1000
"""Counted in collections of the middle generation; Python looks through the oldest one every 10."""
_COLLECT_EVERY_TICKS: Final = 1800
"""Three minutes of uvicorn's ticks: an ended call leaves 30 KB that only the collector can free."""


class DrainingServer(uvicorn.Server):
    """
    Uvicorn's server with calls finished before connections are closed.

    Uvicorn's own ``shutdown`` closes every WebSocket at once, which would cut recordings short.

    Args:
        drain: Ends the live calls and returns when their sinks have finished; bounded by itself.

    """

    def __init__(self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._drain = drain

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Its transports read into picows' own buffer and send without a detour: 3 µs less per frame.
        loop = asyncio.get_running_loop()
        own, loop.create_server = loop.create_server, partial(aiofastnet.create_server, loop)  # type: ignore[method-assign]
        try:
            await super().startup(sockets)
        finally:
            loop.create_server = own  # type: ignore[method-assign]

    async def on_tick(self, counter: int) -> bool:
        if counter % _COLLECT_EVERY_TICKS == 0:
            gc.collect()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        await self._drain()
        await super().shutdown(sockets)


def new_server(
    app: AsgiApp,
    *,
    host: str,
    port: int,
    drain: Callable[[], Awaitable[None]],
    log_level: str = "info",
    websocket: type[asyncio.Protocol] | str = WebSocketProtocol,
) -> DrainingServer:
    """Configure the server; ``port`` 0 takes a free one, ``websocket`` is as uvicorn's ``ws``."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ws=websocket,
        ws_max_size=MAX_WEBSOCKET_MESSAGE_BYTES,
        # Twilio offers no extensions, and compressing 400 bytes costs more than it saves.
        ws_per_message_deflate=False,
        ws_ping_timeout=None,  # nobody has verified that Twilio answers pings: no pong must end a call
        lifespan="on",
        proxy_headers=False,  # who is trusted, and for what, is decided in web/origin.py
        server_header=False,
        access_log=False,
        log_config=None,
        log_level=log_level,
        timeout_graceful_shutdown=_GRACEFUL_S,
    )
    return DrainingServer(config, drain)


def serve(app: AsgiApp, *, host: str, port: int, drain: Callable[[], Awaitable[None]]) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything has stopped."""
    # A thread that writes recordings must not keep the calls waiting for the default 5 ms at every turn.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    # What was loaded stays: looking through it again and again would stop every call for tenths of a second.
    gc.collect()
    gc.freeze()
    # What lives long, the calls, is looked through every three minutes: with 800 of them it takes 80 ms.
    gc.set_threshold(*gc.get_threshold()[:2], _SELDOM)
    new_server(app, host=host, port=port, drain=drain).run()
