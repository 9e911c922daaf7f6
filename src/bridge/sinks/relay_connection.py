"""Open the WebSocket to a Media Streams application as Twilio does, and close it come what may."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from bridge.mediastream.messages import MAX_SERVER_MESSAGE_BYTES

USER_AGENT: Final = "Twilio.TmeWs/1.0"
_SEND_BUFFER_BYTES: Final = 64 * 1024
"""The kernel's part of what may wait for a slow application; the default hides half a minute of audio."""
_CLOSE_S: Final = 2.0
_AGAIN: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    There is no connection.

    Attributes:
        fault: Why, without the URL.
        again: Whether another attempt may help.

    """

    fault: str
    again: bool = True


class _Connect(connect):
    """Follows no redirect: whom the configuration names gets the call, nobody whom they name in turn."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_connection(url: str, *, timeout_s: float) -> ClientConnection | Refusal:
    """
    Connect with Twilio's headers: no compression, no origin, no subprotocol; a login in the URL is sent.

    Returns:
        The open connection, or why there is none.

    """
    try:
        connection = await _Connect(
            url,
            compression=None,
            user_agent_header=USER_AGENT,
            proxy=None,
            open_timeout=timeout_s,
            ping_interval=None,  # RelayStream asks for itself, because it also counts what was confirmed
            close_timeout=_CLOSE_S,
            max_size=MAX_SERVER_MESSAGE_BYTES,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        again = status in _AGAIN or status >= 500
        return Refusal(f"it answered {status} instead of 101", again=again)
    except TimeoutError:
        return Refusal(f"no connection within {timeout_s:g} s")
    except (OSError, EOFError, ValueError, WebSocketException) as error:
        return Refusal(f"no connection ({type(error).__name__})")
    tcp = connection.transport.get_extra_info("socket")
    if tcp is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    return connection


async def close_connection(connection: ClientConnection, code: int) -> None:
    """Close with this code; a peer that does not answer, or reads nothing, is cut off after two seconds."""
    try:
        # close() first waits until everything was written, which its own time-out does not bound.
        async with asyncio.timeout(2 * _CLOSE_S):
            await connection.close(code)
    except TimeoutError:
        pass
    finally:
        connection.transport.abort()
