"""``GET /calls/{sid}/audio.wav``: a running call, to whatever plays WAV from a pipe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

from bridge.audio.resample import RATES_HZ
from bridge.audio.wav import stream_header
from bridge.calls.call import Track
from bridge.calls.store import CallStore
from bridge.errors import InvalidField
from bridge.session.directory import Directory
from bridge.session.listener import Listener
from bridge.web.live_call import live_session
from bridge.web.placing import problems


def live_audio_router(
    *, directory: Directory, store: CallStore, guard: Callable[[HTTPConnection], Any]
) -> APIRouter:
    """
    Make the route.

    Args:
        directory: The live calls.
        store: Tells calls that are over from those nobody knows.
        guard: A dependency that refuses whoever may not.

    """
    router = APIRouter(prefix="/calls", tags=["calls"], dependencies=[Depends(guard)])

    @router.get(
        "/{sid}/audio.wav",
        summary="Hear a running call",
        response_class=StreamingResponse,
        responses=problems(404, 409, 422),
    )
    async def live_audio(
        sid: str,
        track: Annotated[Track, Query(description="both: left the phone, right what it hears")] = "both",
        rate_hz: Annotated[int, Query(description="8000, 16000, 24000 or 48000")] = 8000,
        chunk_ms: Annotated[int, Query(ge=20, le=1000)] = 100,
        from_start: Annotated[bool, Query(description="begin with the pre-roll")] = False,  # noqa: FBT002
    ) -> StreamingResponse:
        if rate_hz not in RATES_HZ:
            raise InvalidField("rate_hz", "it is no rate we have.", f"Send one of {RATES_HZ}.")
        session = await live_session(sid, directory=directory, store=store)
        chunks = session.listen(track, rate_hz=rate_hz, chunk_ms=chunk_ms, from_start=from_start)
        header = stream_header(rate_hz, 2 if track == "both" else 1)
        return StreamingResponse(_played(header, chunks), media_type="audio/wav")

    return router


async def _played(header: bytes, listener: Listener) -> AsyncIterator[bytes]:
    """A slow reader loses its own oldest audio, which is silence then, so that time stays true."""
    yield header
    async with aclosing(listener):
        async for chunk in listener:
            yield bytes(chunk.dropped_ms * chunk.rate_hz // 1000 * 2 * chunk.channels) + chunk.data
