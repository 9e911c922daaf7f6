"""``/calls``: list them, show one, hear its recording, end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse
from starlette.requests import HTTPConnection

from bridge.calls.record import CallRecord
from bridge.calls.status import Direction, Status
from bridge.calls.store import CallStore, Filter
from bridge.errors import CallEnded, CallUnknown, CarrierError, CarrierRefused, ConfigurationError
from bridge.twilio.rest import Carrier
from bridge.web.placing import problems
from bridge.web.problem import Problem
from bridge.web.resource import CallPage, CallResource

log = logging.getLogger(__name__)

MAX_PAGE: Final = 1000
_NOT_LIVE: Final = 21220  # https://www.twilio.com/docs/api/errors/21220

HangUpStream = Callable[[str], Awaitable[bool]]
"""Ends the live stream of a call, by its SID; false if there is none."""


def calls_router(
    *,
    store: CallStore,
    carrier: Carrier | None,
    hang_up_stream: HangUpStream,
    guard: Callable[[HTTPConnection], Any],
    count: Callable[[], None] = lambda: None,
) -> APIRouter:
    """
    Make the routes about calls that exist.

    Args:
        store: Knows them.
        carrier: Ends them; ``None`` if no credentials are configured.
        hang_up_stream: Ends them otherwise, where they stream to this very server.
        guard: A dependency that refuses whoever may not.
        count: Brings the live calls' counters up to date.

    """
    router = APIRouter(prefix="/calls", tags=["calls"], dependencies=[Depends(guard)])

    _add_listing(router, store, count)

    @router.get("/{sid}", summary="Show a call", responses=problems(404))
    async def show_call(sid: str) -> CallResource:
        count()
        return CallResource.of(await _known(store, sid))

    @router.get("/{sid}/recording", response_class=FileResponse, responses=problems(404, 409))
    async def call_recording(
        sid: str, name: Annotated[str | None, Query(description="which one; the latest if absent")] = None
    ) -> FileResponse:
        """Send a finished recording as a WAV file; `Range` is understood."""
        path = _recording(await _known(store, sid), name)
        if not await asyncio.to_thread(path.is_file):
            raise Problem(404, "recording_gone", "The recording was there, but its file is gone.")
        return FileResponse(path, media_type="audio/wav", filename=path.name)

    @router.post("/{sid}/hangup", summary="End a call", responses=problems(404, 409, 502, 503))
    async def hang_up(sid: str) -> CallResource:
        record = await _known(store, sid)
        if record.is_over:
            raise CallEnded(f"The call is over: {record.status}.")
        await _end(record, carrier, hang_up_stream)
        await store.save(record)
        return CallResource.of(record)

    return router


def _add_listing(router: APIRouter, store: CallStore, count: Callable[[], None]) -> None:
    @router.get("", summary="List calls, newest first", responses=problems(422))
    async def list_calls(
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[int | None, Query(description="from `next` of the page before")] = None,
        status: Status | None = None,
        direction: Direction | None = None,
        from_: Annotated[str | None, Query(alias="from")] = None,
        to: str | None = None,
    ) -> CallPage:
        count()
        page = await store.page(limit=limit, cursor=cursor, wanted=Filter(status, direction, from_, to))
        return CallPage(
            calls=[CallResource.of(record) for record in page.records],
            next=_next(
                page.cursor, limit=limit, status=status, direction=direction, **{"from": from_, "to": to}
            ),
        )


def _next(cursor: int | None, **query: object) -> str | None:
    if cursor is None:
        return None
    given = {name: value for name, value in query.items() if value is not None}
    return f"/calls?{urlencode({**given, 'cursor': cursor})}"


async def _known(store: CallStore, sid: str) -> CallRecord:
    record = await store.get(sid)
    if record is None:
        raise CallUnknown("No call with this SID is known here; the oldest ended calls are forgotten.")
    return record


def _recording(record: CallRecord, name: str | None) -> Path:
    """Choose a recording that nobody writes to any more."""
    unfinished = {path for stream in record.streams for path in stream.unfinished}
    finished = [path for path in record.recordings if path not in unfinished]
    if name is not None:
        finished = [path for path in finished if path.name == name]
    if finished:
        return finished[-1]
    if any(name in {None, path.name} for path in record.recordings):
        # It grows, and with it the length that the answer would have to state before it begins.
        raise Problem(
            409,
            "recording_unfinished",
            "The call is still being recorded.",
            hint=f"Ask again when it is over, or end it with POST /calls/{record.sid}/hangup.",
        )
    raise Problem(
        404,
        "recording_unknown",
        "There is no such recording of this call.",
        hint="Recordings are made by sinks: start the server with --sink wav, or place calls with it.",
    )


async def _end(record: CallRecord, carrier: Carrier | None, hang_up_stream: HangUpStream) -> None:
    """
    End a call by REST, or by its socket where that fails.

    REST comes first because Twilio logs error 31921 for a socket that we close.
    """
    # Said before anybody acts on it: the end may be reported to us before the answer to our own request is.
    record.expect_end("bridge_hung_up")
    fault: Exception = ConfigurationError("No Twilio credentials are set, and the call does not stream here.")
    if carrier is not None:
        try:
            await carrier.hang_up(record.sid)
            return
        except CarrierError as error:
            fault = error
            log.warning("hanging up by REST failed: %s", error, extra={"call_sid": record.sid})
    if await hang_up_stream(record.sid):
        return
    record.expect_nothing()
    if isinstance(fault, CarrierRefused) and (fault.status == 404 or fault.code == _NOT_LIVE):
        raise CallEnded("The carrier says that the call is over.") from fault
    raise fault
