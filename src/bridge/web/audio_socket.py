"""``WS /calls/{sid}/audio``: a running call for any program that speaks WebSocket, in both directions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends, WebSocket
from starlette.requests import HTTPConnection

from bridge.calls.context import CALL_SID, STREAM_SID
from bridge.calls.store import CallStore
from bridge.clock import Clock
from bridge.session.directory import Directory
from bridge.web.audio_query import read_query
from bridge.web.browser_origin import check_origin
from bridge.web.consumer import Consumer
from bridge.web.live_call import live_session
from bridge.web.open_sockets import OpenSockets
from bridge.web.problem import Problem

log = logging.getLogger(__name__)


def audio_socket_router(
    *,
    directory: Directory,
    store: CallStore,
    sockets: OpenSockets,
    guard: Callable[[HTTPConnection], Any],
    clock: Clock,
) -> APIRouter:
    """
    Make the route.

    Args:
        directory: The live calls.
        store: Tells calls that are over from those nobody knows.
        sockets: Is told of each socket while it is open.
        guard: A dependency that refuses whoever may not.
        clock: Ends sockets whose program does not read.

    """
    router = APIRouter(prefix="/calls", dependencies=[Depends(guard), Depends(check_origin)])

    @router.websocket("/{sid}/audio")
    async def audio(websocket: WebSocket, sid: str) -> None:
        # What is raised before the accept becomes a denial response, as any other route's problem.
        query = read_query(websocket.query_params)
        if directory.is_draining:
            raise Problem(503, "draining", "This server is stopping and takes no new listeners.")
        session = await live_session(sid, directory=directory, store=store)
        await websocket.accept()
        CALL_SID.set(session.sid)
        STREAM_SID.set(session.stream_sid)
        log.info("a program listens: %s, %s at %d Hz", query.track, query.encoding, query.rate_hz)
        with sockets.one():
            await Consumer(websocket, session, query, clock).serve()
        log.info("a program has stopped listening")

    return router
