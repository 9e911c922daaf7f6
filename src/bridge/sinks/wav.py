"""Records calls to WAV files that are valid at every moment."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Literal

from bridge.calls.call import Call
from bridge.sinks.recording_file import WRITER, create
from bridge.sinks.sink import sink
from bridge.sinks.wav_recording import Shape, WavRecording

log = logging.getLogger(__name__)


@sink("wav")
async def wav(
    call: Call,
    *,
    directory: Path | None = None,
    track: Literal["both", "inbound", "outbound", "mix"] = "both",
    encoding: Literal["pcm16", "mulaw"] = "pcm16",
    max_queue_ms: int = 30_000,
) -> None:
    """
    Record a call to a WAV file: stereo, left the phone, right what it hears, unless told otherwise.

    ``track`` ``inbound`` or ``outbound`` records one side in mono, ``mix`` both sides added up in mono.
    ``encoding = "mulaw"`` keeps the phone's own bytes at half the size.

    The file is named by start time, call and stream; it never replaces another. Its length is the
    stream's own, gaps filled with silence. ``directory`` is ``recordings`` unless set.
    """
    loop = asyncio.get_running_loop()
    shape = Shape(track, encoding)
    # Listening begins before the file is opened, so that a slow disk costs nothing of the start.
    chunks = shape.listen(call, max_queue_ms=max_queue_ms)
    file = await loop.run_in_executor(WRITER, create, directory or Path("recordings"), call, ".wav")
    path = Path(file.name)
    call.add_recording(path)
    recording = WavRecording(file, shape)
    try:
        await recording.run(chunks)
    finally:
        call.finish_recording(path)
    log.info("recorded %.2f s to %s", recording.duration_ms / 1000, path)
