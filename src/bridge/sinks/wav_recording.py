"""A call's audio on its way into a WAV file: in which shape, and written by the one writer thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal
from zlib import crc32

import numpy as np

from bridge.audio.g711 import ULAW_SILENCE, encode_ulaw
from bridge.audio.wav import Encoding, WavWriter
from bridge.calls.call import AudioChunk, Call
from bridge.sinks.recording_file import WRITER

log = logging.getLogger(__name__)

RecordedTrack = Literal["both", "inbound", "outbound", "mix"]

_CHUNK_MS: Final = 400
_SPREAD_MS: Final = 200
"""About twice a second, so that after a crash less than the last second is missing; a little different from
call to call, so that calls which began together do not all write in the same moment for ever."""


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What a recording holds.

    Attributes:
        track: ``both`` is stereo, left the phone; ``inbound`` and ``outbound`` are mono, and so is ``mix``,
            both sides added up.
        encoding: ``pcm16`` or ``mulaw``.
        rate_hz: Sampling rate; 8000 for ``mulaw``.

    """

    track: RecordedTrack = "both"
    encoding: Encoding = "pcm16"
    rate_hz: int = 8000

    @property
    def channels(self) -> int:
        """2 for ``both``, else 1."""
        return 2 if self.track == "both" else 1

    def listen(self, call: Call, *, max_queue_ms: int) -> AsyncIterator[AudioChunk]:
        """Begin to listen, from the pre-roll on; raises as ``Call.listen``."""
        chunk_ms = _CHUNK_MS + crc32(call.stream_sid.encode()) % _SPREAD_MS // 20 * 20
        max_queue_ms = max(max_queue_ms, chunk_ms)
        if self.track == "mix":
            # Two sides are added up as samples, whatever they are written as.
            if self.encoding == "mulaw" and self.rate_hz != 8000:
                raise ValueError(f"rate_hz is {self.rate_hz}: μ-law is written at 8000 only")
            return call.listen(
                "both", rate_hz=self.rate_hz, chunk_ms=chunk_ms, from_start=True, max_queue_ms=max_queue_ms
            )
        return call.listen(
            self.track,
            rate_hz=self.rate_hz,
            chunk_ms=chunk_ms,
            encoding=self.encoding,
            from_start=True,
            max_queue_ms=max_queue_ms,
        )

    def data(self, chunk: AudioChunk) -> bytes:
        """What to write for a chunk: silence for what was dropped before it, then its audio."""
        silent_samples = chunk.dropped_ms * self.rate_hz // 1000 * self.channels
        one = ULAW_SILENCE if self.encoding == "mulaw" else b"\x00\x00"
        return one * silent_samples + (_mixed(chunk, self.encoding) if self.track == "mix" else chunk.data)


def _mixed(chunk: AudioChunk, encoding: Encoding) -> bytes:
    """Both sides added up, cut at full scale."""
    both = np.frombuffer(chunk.pcm, "<i2").reshape(-1, 2).astype(np.int32)
    pcm = both.sum(axis=1).clip(-32768, 32767).astype("<i2").tobytes()
    return encode_ulaw(pcm) if encoding == "mulaw" else pcm


class WavRecording:
    """
    One WAV file being written; the file is valid at every moment.

    Args:
        file: New and empty; closed when ``run`` returns, however it does.
        shape: What it is to hold.

    Attributes:
        frames: Samples per channel written so far.
        dropped_ms: How much of that is silence for what this recording lost by falling behind.

    """

    def __init__(self, file: BinaryIO, shape: Shape) -> None:
        self.frames = 0
        self.dropped_ms = 0
        self._file: Final = file
        self._shape: Final = shape
        self._writer: WavWriter | None = None

    @property
    def duration_ms(self) -> int:
        """How long the recording is."""
        return self.frames * 1000 // self._shape.rate_hz

    async def run(self, chunks: AsyncIterator[AudioChunk]) -> None:
        """Write until the chunks end; raises ``OSError`` and ``AudioError`` as the file does."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(WRITER, self._open)
            async for chunk in chunks:
                if chunk.dropped_ms:
                    self.dropped_ms += chunk.dropped_ms
                    log.warning("the recording fell behind: %d ms became silence", chunk.dropped_ms)
                await loop.run_in_executor(WRITER, self._append, chunk)
        finally:
            await asyncio.shield(loop.run_in_executor(WRITER, self._finish))

    # In the writer thread

    def _open(self) -> None:
        shape = self._shape
        self._writer = WavWriter(
            self._file, sample_rate_hz=shape.rate_hz, channels=shape.channels, encoding=shape.encoding
        )

    def _append(self, chunk: AudioChunk) -> None:
        if self._writer is not None:
            self._writer.write(self._shape.data(chunk))
            self._writer.flush()
            self.frames = self._writer.frames

    def _finish(self) -> None:
        with self._file:
            if self._writer is not None:
                self._writer.close()
