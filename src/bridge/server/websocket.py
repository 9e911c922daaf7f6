"""
Uvicorn's WebSocket protocol, on picows: a plain ASGI WebSocket for any application, and a fast path.

Use it as ``uvicorn --ws bridge.server.websocket:WebSocketProtocol``. Uvicorn parses the HTTP request;
once the application accepts, the connection is handed to picows, whose frame parser is compiled. An
application that finds ``bridge.direct`` among the scope's extensions may take messages by callback, without
a queue or a task wake-up per message; every other one sees ASGI's ``receive`` and ``send``
(https://asgi.readthedocs.io/en/latest/specs/www.html#websocket).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from picows import WSAutoPingStrategy, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows import picows as _picows
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState

from bridge.server.direct import Direct
from bridge.server.frames import Frames
from bridge.server.handshake import UpgradeRequest, http_response, read_request
from bridge.server.keepalive import Keepalive
from bridge.server.message_queue import MessageQueue

log = logging.getLogger(__name__)

Message = dict[str, Any]

WSProtocol: Any = _picows.WSProtocol  # type: ignore[attr-defined]
"""Not public: hence the upper bound on picows."""

_quiet: Final = logging.Logger("picows", logging.CRITICAL + 1)  # noqa: LOG001  (one of nobody's tree)
"""picows logs every connection and every fault; all of it is told to the application instead."""

_MAX_EARLY_BYTES: Final = 64 * 1024
_CLOSE_TIMEOUT_S: Final = 10.0
_READ_BUFFER_BYTES: Final = 4096


class PeerGone(OSError):
    """The application sends to a peer that is gone; ASGI wants an ``OSError`` for that."""


class WebSocketProtocol(asyncio.Protocol):
    """
    One connection, from the parsed upgrade request to its end.

    Uvicorn constructs it and calls ``connection_made``, ``data_received`` with the request, and ``shutdown``;
    after ``websocket.accept`` the transport belongs to picows.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._request: UpgradeRequest | None = None
        self._early = bytearray()
        self._answered = False
        self._response: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._body = bytearray()
        self._frames: Frames | None = None
        self._messages: MessageQueue = MessageQueue()
        self._direct: Direct | None = None
        self._keepalive: Keepalive | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False
        self._close_timer: asyncio.TimerHandle | None = None

    # asyncio.Protocol, until the application has answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server_state.connections.add(self)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        if self._request is not None:
            # A client may not send before the 101 (section 4.1), but what it does send is not lost.
            self._early += data
            if len(self._early) > _MAX_EARLY_BYTES:
                self._transport.abort()
            return
        self._request = read_request(data)
        fault = self._request.fault()
        if fault is not None:
            self._answer(fault[0], [(b"content-type", b"text/plain")], fault[1].encode())
            return
        self._messages.put({"type": "websocket.connect"})
        task = self._loop.create_task(self._run(self._scope(self._request)))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        self.closed(1006, "")

    def eof_received(self) -> bool:
        return False

    def shutdown(self) -> None:
        """Uvicorn stops: say so, and close."""
        if self._frames is not None:
            self._frames.fail(1012, "server stops")
        elif not self._answered:
            self._answer(503, [], b"")

    # The application

    def _scope(self, request: UpgradeRequest) -> Message:
        root_path = self._config.root_path
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self._transport) else "ws",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "root_path": root_path,
            "path": root_path + request.path,
            "raw_path": root_path.encode("ascii") + request.raw_path,
            "query_string": request.query,
            "headers": request.headers,
            "subprotocols": request.values(b"sec-websocket-protocol"),
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, "bridge.direct": self.take_over},
        }

    async def _run(self, scope: Message) -> None:
        try:
            await self._config.loaded_app(scope, self._messages.get, self._send)
        except PeerGone:
            return
        except Exception:
            log.exception("the application failed")
            if self._frames is not None:
                self._frames.fail(1011, "internal error")
            elif not self._answered:
                self._answer(500, [(b"content-type", b"text/plain")], b"Internal Server Error")
            return
        if not self._answered:
            log.error("the application ended without an answer to the handshake")
            self._answer(500, [(b"content-type", b"text/plain")], b"Internal Server Error")
        elif self._frames is not None and not self._gone:
            self._begin_close(1000, "")

    async def _send(self, message: Message) -> None:
        await self._writable.wait()
        if self._gone:
            raise PeerGone("the WebSocket is closed")
        kind = message["type"]
        if self._frames is not None:
            self._send_open(kind, message)
        elif self._answered:
            raise RuntimeError(f"{kind} after the handshake was refused")
        elif kind == "websocket.accept" and self._response is None:
            self._accept(message)
        elif kind == "websocket.close" and self._response is None:
            self._answer(403, [], b"")
            self._messages.put({"type": "websocket.disconnect", "code": 1006})
        elif kind == "websocket.http.response.start" and self._response is None:
            self._response = message["status"], list(message.get("headers", []))
        elif kind == "websocket.http.response.body" and self._response is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self._answer(*self._response, bytes(self._body))
        else:
            raise RuntimeError(f"{kind} does not fit the state of the handshake")

    def _send_open(self, kind: str, message: Message) -> None:
        assert self._frames is not None  # noqa: S101  (the caller has looked)
        if kind == "websocket.send":
            text = message.get("text")
            self._frames.send(text if text is not None else message["bytes"], text=text is not None)
        elif kind == "websocket.close":
            self._begin_close(message.get("code", 1000), message.get("reason") or "")
        else:
            raise RuntimeError(f"{kind} on an open WebSocket; send websocket.send or websocket.close")

    # Answers to the handshake

    def _answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._answered = True
        self._transport.write(http_response(status, [*self._server_state.default_headers, *headers], body))
        self._transport.close()

    def _accept(self, message: Message) -> None:
        assert self._request is not None  # noqa: S101  (there is an application, so there was a request)
        response = WSUpgradeResponse.create_101_response()
        for name, value in (*self._server_state.default_headers, *message.get("headers", [])):
            response.headers.add(name.decode("latin-1"), value.decode("latin-1"))
        if message.get("subprotocol"):
            response.headers.add("Sec-WebSocket-Protocol", message["subprotocol"])
        frames = Frames(self, self._config.ws_max_size)
        protocol = WSProtocol(
            None, None, False, lambda _: WSUpgradeResponseWithListener(response, frames), _quiet, True, None,
            False, 0, 0, WSAutoPingStrategy.PING_WHEN_IDLE, False, self._config.ws_max_size, None,
            _READ_BUFFER_BYTES,
        )  # fmt: skip
        self._answered = True
        self._frames = frames
        protocol.connection_made(self._transport)
        self._transport.set_protocol(protocol)
        for piece in (self._request.for_picows(), bytes(self._early)):
            _feed(protocol, piece)

    # What the frames tell (MessageHandler)

    def opened(self) -> None:
        assert self._frames is not None  # noqa: S101  (it is the one who tells)
        self._messages.bind(self._transport)
        self._keepalive = Keepalive(
            self._frames, self._loop, self._config.ws_ping_interval, self._config.ws_ping_timeout
        )

    def text(self, data: str) -> None:
        self._messages.put({"type": "websocket.receive", "text": data}, len(data))

    def binary(self, data: bytes) -> None:
        if self._direct is not None and self._direct.taker is not None:
            self._direct.taker.binary(len(data))
        else:
            self._messages.put({"type": "websocket.receive", "bytes": data}, len(data))

    def closed(self, code: int, reason: str) -> None:
        if self._gone:
            return
        self._gone = True
        self._server_state.connections.discard(self)
        self._writable.set()  # asyncio never resumes a transport that is lost while paused
        for timer in (self._keepalive, self._close_timer):
            if timer is not None:
                timer.cancel()
        if self._direct is not None:
            self._direct.closed()
        self._messages.put({"type": "websocket.disconnect", "code": code, "reason": reason})

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # Closing, and the fast path

    def _begin_close(self, code: int, reason: str) -> None:
        """Start the closing handshake; the peer has ten seconds to answer it."""
        assert self._frames is not None  # noqa: S101  (both callers have looked)
        if self._frames.close(code, reason):
            self._messages.resume()
            self._close_timer = self._loop.call_later(_CLOSE_TIMEOUT_S, self._transport.abort)

    def take_over(self) -> Direct:
        """
        Lend this connection to callbacks (the ``bridge.direct`` extension); ``Direct.start`` begins it.

        Raises:
            RuntimeError: the WebSocket is not accepted yet.

        """
        if self._frames is None:
            raise RuntimeError("accept the WebSocket before taking it over")
        self._direct = Direct(self._frames, self._messages, self._begin_close)
        return self._direct


def _feed(protocol: Any, data: bytes) -> None:
    """Give bytes to a BufferedProtocol as its transport would."""
    while data:
        buffer = protocol.get_buffer(len(data))
        taken = min(len(buffer), len(data))
        buffer[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]
