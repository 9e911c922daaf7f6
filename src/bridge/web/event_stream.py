"""
``GET /events`` and ``WS /events``: what happens in all calls, as it happens.

The first is for a browser's ``EventSource`` (https://html.spec.whatwg.org/multipage/server-sent-events.html),
the second sends the same JSON, one text message each.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, WebSocket
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocketDisconnect

from bridge.calls.feed import EventFeed, FeedItem, Heartbeat
from bridge.web.browser_origin import check_origin
from bridge.web.open_sockets import OpenSockets
from bridge.web.placing import problems

RETRY_MS: Final = 2000
"""When a browser connects anew after the stream was cut or this server stopped."""

MEDIA_TYPE: Final = "text/event-stream"

_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # nginx would keep events back until its buffer is full
}

_EXAMPLE: Final = (
    'id: 19b77dc1c00-7\nevent: dtmf\ndata: {"version": 1, "id": "19b77dc1c00-7",'
    ' "at": "2026-01-01T00:00:00.000Z", "call_sid": "CA…", "stream_sid": "MZ…",'
    ' "event": "dtmf", "number": 2, "at_ms": 840, "digit": "5"}\n\n'
)


def event_stream_router(
    *, feed: EventFeed, sockets: OpenSockets, guard: Callable[[HTTPConnection], Any]
) -> APIRouter:
    """
    Make the routes.

    Args:
        feed: What they tell.
        sockets: Is told of each socket while it is open.
        guard: A dependency that refuses whoever may not.

    """
    router = APIRouter(tags=["events"], dependencies=[Depends(guard)])

    @router.get(
        "/events",
        summary="Follow what happens in all calls",
        response_class=StreamingResponse,
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}, "example": _EXAMPLE}}},
            "4XX": problems(403)[403],
        },
    )
    async def events(
        last_event_id: Annotated[
            str | None,
            Query(description="go on after this id; one that this run does not know gives all kept"),
        ] = None,
        call_sid: Annotated[str | None, Query(description="of this call only")] = None,
        seen: Annotated[
            str | None,
            Header(alias="Last-Event-ID", description="what a browser sends when it connects anew; wins"),
        ] = None,
    ) -> StreamingResponse:
        told = _told(feed, seen or last_event_id, call_sid)
        return StreamingResponse(told, media_type=MEDIA_TYPE, headers=_HEADERS)

    @router.websocket("/events", dependencies=[Depends(check_origin)])
    async def events_socket(
        websocket: WebSocket, after: str | None = None, call_sid: str | None = None
    ) -> None:
        await websocket.accept()
        with sockets.one():
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(_send(websocket, feed, after, call_sid))
                while (await websocket.receive())["type"] != "websocket.disconnect":
                    pass  # nothing is asked for on this socket, and nothing that comes is kept
                sending.cancel()

    return router


async def _told(feed: EventFeed, after: str | None, call_sid: str | None) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MS}\n"
    async with aclosing(feed.read(after, call_sid=call_sid)) as reading:
        async for one in reading:
            yield block(one)


def block(one: FeedItem | Heartbeat) -> str:
    """
    Write one item as an event, a heartbeat as a comment that also moves the reader's last event id.

    A block without data dispatches no event, but sets the id (section 9.2.6), so that a reader which comes
    back after a quiet time is not given again, or told as missed, what it never wanted.
    """
    if isinstance(one, Heartbeat):
        return f":\nid: {one.id}\n\n"
    return f"id: {one.id}\nevent: {one.name}\ndata: {_json(one)}\n\n"


def _json(item: FeedItem) -> str:
    """Give one line whatever is in it: JSON in ASCII writes every line break as an escape."""
    return json.dumps(item.as_json())


async def _send(websocket: WebSocket, feed: EventFeed, after: str | None, call_sid: str | None) -> None:
    try:
        async with aclosing(feed.read(after, call_sid=call_sid)) as reading:
            async for one in reading:
                if isinstance(one, FeedItem):
                    await websocket.send_text(_json(one))
        await websocket.close(1012, "server stops")
    except (WebSocketDisconnect, RuntimeError, OSError):
        return  # the peer went away under the send: receiving says so too
