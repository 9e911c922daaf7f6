"""What to tell a request that no route takes: where it would have been taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Scope

_METHODS: Final = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
_DOCS: Final = "GET /docs shows every route; /healthz says whether the server is well."


@dataclass(frozen=True, slots=True)
class Direction:
    """
    Words for a problem.

    Attributes:
        detail: What is wrong, in one sentence.
        hint: Where to go instead.
        allowed: The methods of this path, for the header ``Allow``; empty where there are none.

    """

    detail: str
    hint: str
    allowed: tuple[str, ...] = ()


def direct(app: FastAPI, scope: Scope) -> Direction:
    """Direct a request, or a WebSocket handshake, that none of the application's routes has taken."""
    methods = tuple(method for method in _METHODS if _is_taken(app, {**scope, "type": "http"}, method))
    if scope["type"] == "websocket":
        if methods:
            return Direction(
                "This path takes HTTP requests, no WebSocket.", f"Send {' or '.join(methods)}. {_DOCS}"
            )
        sockets = "There are /media-stream, /calls/{sid}/audio and /events."
        return Direction("There is no WebSocket at this path.", sockets)
    if methods:
        told = ", ".join(methods)
        return Direction(f"{scope['method']} is not taken here.", f"Allowed: {told}. {_DOCS}", methods)
    if _is_taken(app, {**scope, "type": "websocket"}):
        return Direction("This path takes WebSockets only.", "Open it with ws:// in place of http://.")
    return Direction("There is nothing at this path.", _DOCS)


def _is_taken(app: FastAPI, scope: Scope, method: str = "GET") -> bool:
    # A copy: matching writes into the scope.
    return any(route.matches({**scope, "method": method})[0] is Match.FULL for route in app.routes)
