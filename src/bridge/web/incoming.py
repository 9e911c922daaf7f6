"""``POST|GET /incoming-call``: the voice webhook. Answers with TwiML that connects the call's audio to us."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from bridge.calls.record import CallRecord
from bridge.calls.store import CallStore
from bridge.clock import Clock
from bridge.mediastream.messages import is_sid
from bridge.twilio.twiml import connect_stream
from bridge.web.auth import Form, TwilioGate
from bridge.web.problem import Problem
from bridge.web.stream_parameters import stream_parameters
from bridge.web.token import TokenOffice

TWIML: Final = "text/xml"


def incoming_router(
    *, gate: TwilioGate, tokens: TokenOffice, store: CallStore, clock: Clock, greeting: str | None
) -> APIRouter:
    """The webhook's route; ``greeting`` is spoken before the audio is connected."""
    router = APIRouter(tags=["twilio"])

    @router.get("/incoming-call", summary="Answer a call with TwiML", operation_id="incoming_call_by_get")
    @router.post("/incoming-call", summary="Answer a call with TwiML", operation_id="incoming_call")
    async def incoming_call(request: Request, form: Form = Depends(gate.form)) -> Response:
        fields = dict(form)
        sid, from_, to = fields.get("CallSid", ""), fields.get("From", ""), fields.get("To", "")
        if sid and not is_sid(sid, "CA"):
            raise Problem(
                400, "bad_call_sid", "CallSid must be CA and 32 hexadecimal digits.", field="CallSid"
            )
        placed = fields.get("Direction", "").startswith("outbound")
        if sid:
            await store.add(
                CallRecord(
                    sid=sid,
                    direction="placed" if placed else "incoming",
                    from_=from_,
                    to=to,
                    created_at=clock.utc(),
                    status="ringing",
                    ringing_at=clock.utc(),
                )
            )
        document = connect_stream(
            url=gate.public.socket_url(request, "/media-stream"),
            parameters=stream_parameters(token=tokens.mint(), from_=from_, to=to, placed=placed),
            greeting=greeting,
            action=gate.public.url(request, "/stream-ended"),
            status_callback=gate.public.url(request, "/stream-status"),
        )
        return Response(document, media_type=TWIML)

    return router
