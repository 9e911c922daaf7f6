"""Writes a call's raw audio, for programs that read a pipe or a file without a header."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import BinaryIO, Literal

from bridge.calls.call import Call
from bridge.sinks.recording_file import WRITER, create
from bridge.sinks.sink import sink


@sink("file")
async def file(
    call: Call,
    *,
    path: str,
    track: Literal["inbound", "outbound", "both"] = "inbound",
    rate_hz: Literal[8000, 16000, 24000, 48000] = 8000,
    encoding: Literal["pcm16", "mulaw", "float32"] = "pcm16",
    chunk_ms: int = 100,
) -> None:
    """
    Write raw audio to a folder, a file of its own for each stream, or to standard output (``path = "-"``).

    Samples are little-endian, two tracks interleaved. What this sink loses by falling behind is missing.
    """
    loop = asyncio.get_running_loop()
    chunks = call.listen(track, rate_hz=rate_hz, encoding=encoding, chunk_ms=chunk_ms, from_start=True)
    if path == "-":
        async for chunk in chunks:
            await loop.run_in_executor(WRITER, _write, sys.stdout.buffer, chunk.data)
        return
    suffix = ".ulaw" if encoding == "mulaw" else f".{encoding}"
    output = await loop.run_in_executor(WRITER, create, Path(path), call, suffix)
    try:
        async for chunk in chunks:
            await loop.run_in_executor(WRITER, _write, output, chunk.data)
    finally:
        await asyncio.shield(loop.run_in_executor(WRITER, output.close))


def _write(output: BinaryIO, data: bytes) -> None:
    output.write(data)
    output.flush()
