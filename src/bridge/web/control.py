"""``POST /calls/{sid}/clear|digits|play``: a hand in a running call."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection

from bridge.audio.resample import RATES_HZ
from bridge.audio.wav import read_any_rate
from bridge.calls.store import CallStore
from bridge.errors import AudioError, InvalidField
from bridge.session.directory import Directory
from bridge.session.session import Session
from bridge.web.body import check_json
from bridge.web.live_call import live_session
from bridge.web.placing import problems
from bridge.web.problem import Problem

MAX_AUDIO_BYTES: Final = 16 * 1024 * 1024


class Digits(BaseModel, extra="forbid"):
    """What to press."""

    digits: str = Field(min_length=1, max_length=100, description="0-9, *, #, A-D; w half a second, W one")


class Queued(BaseModel):
    """What was taken."""

    queued_ms: int


def control_router(
    *, directory: Directory, store: CallStore, guard: Callable[[HTTPConnection], Any]
) -> APIRouter:
    """
    Make the routes.

    Args:
        directory: The live calls.
        store: Tells calls that are over from those nobody knows.
        guard: A dependency that refuses whoever may not.

    """
    router = APIRouter(prefix="/calls", tags=["calls"], dependencies=[Depends(guard)])

    async def live(sid: str) -> Session:
        return await live_session(sid, directory=directory, store=store)

    @router.post("/{sid}/clear", status_code=204, summary="Stop what plays", responses=problems(404, 409))
    async def clear(sid: str) -> Response:
        await (await live(sid)).clear()
        return Response(status_code=204)

    @router.post(
        "/{sid}/digits",
        status_code=204,
        summary="Play digits",
        responses=problems(400, 404, 409, 415, 422),
        dependencies=[Depends(check_json)],
    )
    async def digits(sid: str, wanted: Digits) -> Response:
        try:
            await (await live(sid)).send_digits(wanted.digits)
        except ValueError as fault:
            raise InvalidField("digits", f"{fault}.", "Send e.g. 1w2#.") from fault
        return Response(status_code=204)

    @router.post(
        "/{sid}/play",
        summary="Play a WAV file",
        responses=problems(404, 409, 413, 422),
        openapi_extra={"requestBody": {"required": True, "content": {"audio/wav": {}}}},
    )
    async def play(sid: str, request: Request) -> Queued:
        session = await live(sid)
        data = await _body(request)
        try:
            pcm, rate_hz = await asyncio.to_thread(read_any_rate, io.BytesIO(data), RATES_HZ)
        except AudioError as fault:
            raise InvalidField("body", f"{fault}.", "Send a WAV file as the body itself.") from fault
        await session.play(pcm, rate_hz=rate_hz)
        return Queued(queued_ms=len(pcm) * 500 // rate_hz)

    return router


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_AUDIO_BYTES:
            raise Problem(413, "body_too_large", f"The audio is larger than {MAX_AUDIO_BYTES} bytes.")
    return bytes(data)
