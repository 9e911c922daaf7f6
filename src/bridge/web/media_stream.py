"""``WS /media-stream``."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from bridge.web.problem import Problem
from bridge.web.stream_desk import StreamDesk


def media_stream_router(desk: StreamDesk) -> APIRouter:
    """The route Twilio streams to."""
    router = APIRouter()

    @router.websocket("/media-stream")
    async def media_stream(websocket: WebSocket) -> None:
        try:
            await desk.serve(websocket)
        except Problem as problem:
            await websocket.send_denial_response(problem.response())

    return router
