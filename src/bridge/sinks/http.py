"""Sends a call's audio over HTTP: chunk by chunk while it goes, or as one WAV file after it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from bridge.calls.call import AudioChunk, Call
from bridge.sinks.destination import HttpUrl, destination_of
from bridge.sinks.http_delivery import Delivery
from bridge.sinks.loss import Loss
from bridge.sinks.recording_file import WRITER, create
from bridge.sinks.sink import sink
from bridge.sinks.wav_recording import Shape, WavRecording

log = logging.getLogger(__name__)

Headers = Mapping[str, str]
_CANCELLED: Final = "the call is over and its time of grace too"


@sink("http")
async def http(
    call: Call,
    *,
    url: HttpUrl,
    mode: Literal["chunks", "file"] = "chunks",
    track: Literal["inbound", "outbound", "both"] = "inbound",
    rate_hz: Literal[8000, 16000, 24000, 48000] = 8000,
    encoding: Literal["pcm16", "mulaw"] = "pcm16",
    chunk_ms: Annotated[int, Field(ge=20, le=60_000)] = 1000,
    headers: Headers | None = None,
    timeout_s: Annotated[float, Field(gt=0)] = 10.0,
    retry_s: Annotated[float, Field(ge=0)] = 30.0,
    max_queue_ms: int = 60_000,
    directory: Path = Path("recordings/unsent"),
) -> None:
    """
    POST a call's audio to a web server: every ``chunk_ms`` a request, or one WAV file after the call.

    Each request says by headers what it holds: ``X-Bridge-Call-Sid``, ``X-Bridge-Stream-Sid``,
    ``X-Bridge-Sequence`` (from 1), ``X-Bridge-Start-Ms`` (its place in the stream), ``X-Bridge-Dropped-Ms``
    (lost just before it), ``Idempotency-Key`` (the same whenever it is repeated), and ``Content-Type``:
    ``audio/x-raw;format=S16LE;rate=8000;channels=1``, ``audio/x-mulaw;…`` or ``audio/wav``.
    ``headers`` adds yours. Two tracks are interleaved, the phone first; μ-law has 8000 Hz only.

    Chunks come in order, one at a time. What finds no connection or no answer within ``timeout_s``, or is
    answered by 408, 425, 429 or 5xx, is repeated for ``retry_s``; any other refusal is final. Meanwhile up to
    ``max_queue_ms`` wait, beyond that the oldest is lost. Losses stand in the call's record, under
    ``http https://host``. Redirects are followed on the same server only.

    ``mode = "file"`` writes to ``directory`` while the call goes and uploads after it, within the sinks' time
    of grace; the file is deleted once it was taken, else it stays and the log says where.
    """
    loss = Loss(call, f"http {destination_of(url)}")
    way = Delivery(url, headers=headers or {}, timeout_s=timeout_s, retry_s=retry_s)
    if mode == "file":
        shape = Shape(track, encoding, rate_hz)
        recorded = shape.listen(call, max_queue_ms=max_queue_ms)
        async with way:
            await _send_file(call, recorded, shape, way, loss, directory)
        return
    chunks = call.listen(
        track,
        rate_hz=rate_hz,
        chunk_ms=chunk_ms,
        encoding=encoding,
        from_start=True,
        max_queue_ms=max(max_queue_ms, chunk_ms),
    )
    async with way:
        await _send_chunks(call, chunks, way, loss)
    if loss.lost_ms:
        log.warning("%s: %d ms of audio were lost in all", loss.destination, loss.lost_ms)


async def _send_chunks(call: Call, chunks: AsyncIterator[AudioChunk], way: Delivery, loss: Loss) -> None:
    sequence = missing_ms = 0
    waiting_ms = 0.0
    try:
        async for chunk in chunks:
            sequence += 1
            missing_ms += chunk.dropped_ms
            loss.add(chunk.dropped_ms, "the receiver is too slow")
            waiting_ms = chunk.duration_ms
            fault = await way.post(_chunk_headers(call, chunk, sequence, missing_ms), chunk.data)
            waiting_ms = 0.0
            if fault is None:
                missing_ms = 0
                loss.arrived()
            else:
                missing_ms += round(chunk.duration_ms)
                loss.add(chunk.duration_ms, fault)
    except asyncio.CancelledError:
        loss.add(waiting_ms, _CANCELLED)
        await loss.add_rest(chunks, _CANCELLED)
        raise


def _chunk_headers(call: Call, chunk: AudioChunk, sequence: int, missing_ms: int) -> Headers:
    kind = "audio/x-raw;format=S16LE" if chunk.encoding == "pcm16" else "audio/x-mulaw"
    return {
        "Content-Type": f"{kind};rate={chunk.rate_hz};channels={chunk.channels}",
        **_identity(call, sequence),
        "X-Bridge-Start-Ms": str(chunk.start_ms),
        "X-Bridge-Dropped-Ms": str(missing_ms),
    }


def _identity(call: Call, sequence: int) -> Headers:
    return {
        "X-Bridge-Call-Sid": call.sid,
        "X-Bridge-Stream-Sid": call.stream_sid,
        "X-Bridge-Sequence": str(sequence),
        "Idempotency-Key": f"{call.stream_sid}-{sequence}",
    }


async def _send_file(
    call: Call,
    chunks: AsyncIterator[AudioChunk],
    shape: Shape,
    way: Delivery,
    loss: Loss,
    directory: Path,
) -> None:
    loop = asyncio.get_running_loop()
    file = await loop.run_in_executor(WRITER, create, directory, call, ".wav")
    path = Path(file.name)
    recording = WavRecording(file, shape)
    fault: str | None = "it was not finished"
    try:
        await recording.run(chunks)
        headers = {
            "Content-Type": "audio/wav",
            **_identity(call, 1),
            "X-Bridge-Start-Ms": "0",
            "X-Bridge-Dropped-Ms": str(recording.dropped_ms),
        }
        fault = await way.post(headers, path)
    finally:
        loss.add(recording.dropped_ms, "the disk is too slow")
        if fault is None:
            await asyncio.shield(loop.run_in_executor(WRITER, path.unlink))
        else:
            loss.add(recording.duration_ms - recording.dropped_ms, fault)
            log.error("%s: not uploaded (%s); the recording is kept: %s", loss.destination, fault, path)
