"""Records calls to WAV files that are valid at every moment."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import BinaryIO, Final

from bridge.audio.wav import WavWriter
from bridge.calls.call import Call
from bridge.sinks.recording_file import WRITER, create
from bridge.sinks.sink import sink

log = logging.getLogger(__name__)

_CHUNK_MS: Final = 500
"""Twice a second, so that after a crash less than the last second is missing."""


@sink("wav")
async def wav(call: Call, *, directory: Path | None = None, max_queue_ms: int = 30_000) -> None:
    """
    Record both sides to a stereo PCM16 WAV: left the phone, right what it hears.

    The file is named by start time, call and stream; it never replaces another. Its length is the
    stream's own, gaps filled with silence. ``directory`` is ``recordings`` unless set.
    """
    loop = asyncio.get_running_loop()
    # Listening begins before the file is opened, so that a slow disk costs nothing of the start.
    chunks = call.listen("both", chunk_ms=_CHUNK_MS, from_start=True, max_queue_ms=max_queue_ms)
    file = await loop.run_in_executor(WRITER, create, directory or Path("recordings"), call, ".wav")
    path = Path(file.name)
    call.add_recording(path)
    writer: WavWriter | None = None
    try:
        writer = await loop.run_in_executor(WRITER, lambda: WavWriter(file, channels=2))
        async for chunk in chunks:
            if chunk.dropped_ms:
                log.warning("the recording fell behind: %d ms became silence", chunk.dropped_ms)
            silence = bytes(chunk.dropped_ms * 8 * 4)
            await loop.run_in_executor(WRITER, _append, writer, silence + chunk.data)
    finally:
        await asyncio.shield(loop.run_in_executor(WRITER, _finish, writer, file))
        call.finish_recording(path)
    log.info("recorded %.2f s to %s", writer.frames / 8000, path)


def _append(writer: WavWriter, data: bytes) -> None:
    writer.write(data)
    writer.flush()


def _finish(writer: WavWriter | None, file: BinaryIO) -> None:
    with file:
        if writer is not None:
            writer.close()
