"""
Open a media stream's WebSocket as Twilio does, and name what goes wrong by Twilio's codes.

The upgrade request has the headers seen from Twilio and no others: no ``Origin``, no subprotocol, no
extensions (so never compression), no cookies. Redirects are not followed: any answer but 101 is error
31920 (https://www.twilio.com/docs/api/errors/31920).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from contextlib import suppress
from functools import cache
from typing import Final

from picows import WSHandshakeError, WSParsedURL, WSUpgradeRequest, WSUpgradeResponse, ws_connect

from bridge.carrier.stream.socket import StreamSocket
from bridge.carrier.stream.url import StreamFault
from bridge.mediastream.messages import MAX_SERVER_MESSAGE_BYTES

USER_AGENT: Final = "Twilio.TmeWs/1.0"
CONNECT_TIMEOUT_S: Final = 5.0
"""For the whole of name look-up, TCP, TLS and upgrade."""

_SEND_BUFFER_BYTES: Final = 64 * 1024
"""The kernel's part of what may wait for a slow server; its default would hide half a minute of audio."""

# picows tells of each connection and each fault; all of it is in the stream's outcome already.
_picows_log = logging.getLogger(f"{__name__}.picows")
_picows_log.setLevel(logging.CRITICAL)


async def connect(
    stream: StreamSocket,
    url: str,
    *,
    signature: str | None,
    ssl_context: ssl.SSLContext | None = None,
    timeout_s: float = CONNECT_TIMEOUT_S,
) -> StreamFault | None:
    """
    Connect ``stream``; its ``on_open`` is called before this returns.

    Args:
        stream: Not connected before.
        url: A URL that ``handshake_url`` returned.
        signature: The value of ``X-Twilio-Signature``; None sends no such header.
        ssl_context: For ``wss``; by default certificates are verified against the machine's authorities.
        timeout_s: For the whole of it.

    Returns:
        None once the upgrade is done, else what stood in the way. A failed attempt leaves nothing open.

    """
    attempt = _Attempt(secure=url.startswith("wss:"))
    try:
        async with asyncio.timeout(timeout_s):
            await ws_connect(
                lambda request, response: _accept(stream, request, response),
                url,
                ssl_context=(ssl_context or _verifying_context()) if attempt.secure else None,
                websocket_handshake_timeout=None,
                logger_name=_picows_log,
                max_frame_size=MAX_SERVER_MESSAGE_BYTES,
                extra_headers=_headers(signature),
                max_redirects=0,
                socket_factory=attempt.tcp_connect,
            )
    except (OSError, WSHandshakeError) as error:
        attempt.abandon()
        return attempt.fault(error)
    except asyncio.CancelledError:
        attempt.abandon()
        raise
    if not stream.was_opened:
        return StreamFault(31920, "the server closed the connection instead of answering the upgrade")
    return None


def _headers(signature: str | None) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT}
    if signature is not None:
        headers["X-Twilio-Signature"] = signature
    return headers


def _accept(stream: StreamSocket, request: WSUpgradeRequest, response: WSUpgradeResponse) -> StreamSocket:
    # RFC 6455 section 4.1: the client must fail what it has not asked for.
    for name in ("Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"):
        if name in response.headers and name not in request.headers:
            raise WSHandshakeError(f"the server chose a {name} that was not offered", None, None, response)
    return stream


@cache
def _verifying_context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads the authorities' file: once, not per call


class _Attempt:
    """One attempt to connect; it keeps the TCP socket, because picows closes none that it gives up."""

    def __init__(self, *, secure: bool) -> None:
        self.secure: Final = secure
        self._socket: socket.socket | None = None

    async def tcp_connect(self, url: WSParsedURL) -> socket.socket:
        """Try the host's addresses in order; the last one's error is raised."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except UnicodeError as error:  # a label of more than 63 characters, for one
            raise socket.gaierror(socket.EAI_NONAME, f"impossible host name: {error}") from error
        failure: OSError = socket.gaierror(socket.EAI_NONAME, "the host has no address")
        for family, kind, protocol, _, address in found:
            tcp = socket.socket(family, kind, protocol)
            try:
                tcp.setblocking(False)
                tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
                await loop.sock_connect(tcp, address)
            except OSError as error:
                tcp.close()
                failure = error
            except asyncio.CancelledError:
                tcp.close()
                raise
            else:
                self._socket = tcp
                return tcp
        raise failure

    def abandon(self) -> None:
        """Make the transport see the connection's end, upon which it closes itself."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def fault(self, error: OSError | WSHandshakeError) -> StreamFault:
        """The code for a failure, by how far the attempt had come."""
        if isinstance(error, WSHandshakeError):
            status = "" if error.response is None else f" (HTTP status {int(error.response.status)})"
            return StreamFault(31920, f"the upgrade was not answered with 101{status}: {error}")
        if isinstance(error, TimeoutError):
            return StreamFault(31901, "the server did not accept the connection in time")
        if self._socket is not None:
            if self.secure:
                return StreamFault(31910, f"TLS failure: {str(error) or 'the server ended it'}")
            return StreamFault(31920, f"the connection broke during the upgrade: {error}")
        if isinstance(error, ConnectionRefusedError):
            return StreamFault(31902, "the server refused the connection")
        return StreamFault(31904, f"the server cannot be reached: {error.strerror or error}")
