"""The commands' way to a running server's WebSockets."""

from __future__ import annotations

from typing import Any

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from bridge.cli.client import ANSWER_WITHIN_S, ServerClient


def open_socket(client: ServerClient, path: str, **options: Any) -> ClientConnection:
    """
    Open a socket of the server; close it by leaving it as a context.

    Args:
        client: The server.
        path: With its query.
        options: Further ones of ``websockets.sync.client.connect``.

    Raises:
        CarrierUnreachable: No server answers there.
        CarrierRefused: It refuses; the message is its own, with the hint.

    """
    headers = {"Authorization": f"Bearer {client.api_key}"} if client.api_key else {}
    try:
        socket: ClientConnection = connect(
            "ws" + client.url.removeprefix("http") + path,
            additional_headers=headers,
            compression=None,
            proxy=None,
            open_timeout=ANSWER_WITHIN_S,
            **options,
        )
    except InvalidStatus as error:
        response = error.response
        raise client.refused(
            response.status_code, response.reason_phrase, bytes(response.body or b"")
        ) from None
    except (OSError, WebSocketException) as error:
        raise client.unreachable(error) from None
    return socket
