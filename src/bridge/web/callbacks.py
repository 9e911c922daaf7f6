"""
``/call-status``, ``/stream-status``, ``/stream-ended``, ``/amd-status``: what Twilio reports.

Status callbacks are answered 204, which Twilio takes without a warning, for calls nobody here knows too:
a 4xx would only fill the account's Debugger (15003).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, Response

from bridge.calls.record import CallRecord
from bridge.calls.store import CallStore
from bridge.clock import Clock
from bridge.errors import InvalidField
from bridge.twilio.callback import read_call_update, read_detection, read_stream_update
from bridge.twilio.copier import StatusCopier
from bridge.twilio.twiml import hang_up
from bridge.web.auth import Form, TwilioGate
from bridge.web.copy_queue import CopyQueue
from bridge.web.incoming import TWIML

log = logging.getLogger(__name__)


def callbacks_router(
    *,
    gate: TwilioGate,
    store: CallStore,
    copier: StatusCopier,
    copies: CopyQueue,
    settled: Callable[[], Awaitable[None]],
    clock: Clock,
) -> APIRouter:
    """
    Make the routes.

    Args:
        gate: Checks Twilio's signatures.
        store: Holds the records that change.
        copier: Copies callbacks to whoever asked for them.
        copies: Sends those copies behind the answers.
        settled: Waits for calls that are being placed: their first callback may come before their SID.
        clock: For callbacks without a time of their own.

    """
    router = APIRouter(tags=["twilio"])

    async def known(call_sid: str) -> CallRecord | None:
        record = await store.get(call_sid)
        if record is None:
            await settled()
            record = await store.get(call_sid)
        if record is None:
            log.info("a callback came for an unknown call", extra={"call_sid": call_sid})
        return record

    @router.post("/call-status", status_code=204, summary="A call's state has changed")
    async def call_status(form: Form = Depends(gate.form)) -> Response:
        update = read_call_update(form, now=clock.utc())
        record = await known(update.call_sid)
        if record is not None:
            outcome = record.apply(update)
            await store.save(record)
            log.info("%s (%s)", update.status, outcome, extra={"call_sid": record.sid})
            if update.status not in record.copied:
                record.copied.add(update.status)
                copies.put(lambda: copier.copy_status(record, form))
        return Response(status_code=204)

    @router.post("/amd-status", status_code=204, summary="Machine detection has a result")
    async def amd_status(form: Form = Depends(gate.form)) -> Response:
        update = read_detection(form)
        record = await known(update.call_sid)
        if record is not None:
            record.answered_by = update.answered_by
            await store.save(record)
            if "amd" not in record.copied:
                record.copied.add("amd")
                copies.put(lambda: copier.copy_detection(record, form))
        return Response(status_code=204)

    return router


def stream_callbacks_router(*, gate: TwilioGate, store: CallStore, clock: Clock) -> APIRouter:
    """Make the routes about streams."""
    router = APIRouter(tags=["twilio"])

    @router.post("/stream-status", status_code=204, summary="A stream began, ended or failed")
    async def stream_status(form: Form = Depends(gate.form)) -> Response:
        update = read_stream_update(form, now=clock.utc())
        level = logging.WARNING if update.event == "stream-error" else logging.INFO
        facts = {"call_sid": update.call_sid, "stream_sid": update.stream_sid}
        log.log(level, "%s%s", update.event, f": {update.error}" if update.error else "", extra=facts)
        return Response(status_code=204)

    @router.post("/stream-ended", summary="What comes after the stream: the end of the call")
    async def stream_ended(form: Form = Depends(gate.form)) -> Response:
        try:
            update = read_call_update(form, now=clock.utc())
        except InvalidField as fault:
            log.warning("/stream-ended with an odd form: %s", fault)  # answered all the same: a caller waits
        else:
            record = await store.get(update.call_sid)
            if record is not None and record.direction == "incoming":
                # Also where no stream ever opened; a placed call's end is told to /call-status.
                record.finish(update.at)
                await store.save(record)
        return Response(hang_up(), media_type=TWIML)

    return router
