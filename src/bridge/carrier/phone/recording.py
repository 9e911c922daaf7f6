"""What a phone heard, as a WAV file: written by worker threads, so that no disk delays a call."""

from __future__ import annotations

import asyncio
import itertools
import logging
from pathlib import Path
from typing import BinaryIO, Final

from bridge.audio.g711 import decode_ulaw
from bridge.audio.wav import WavWriter
from bridge.errors import AudioError

WRITE_BYTES: Final = 5 * 8000
"""How much μ-law is gathered before a thread writes it: five seconds."""

MAX_WAITING_BYTES: Final = 10 * 60 * 8000
"""When a disk falls ten minutes behind, recording stops and says so."""

log = logging.getLogger(__name__)


class PhoneRecording:
    """
    A growing PCM16 mono file at 8 kHz, valid on disk after each write.

    An existing file is never overwritten: ``phone.wav`` becomes ``phone-2.wav``. A disk that fails ends
    the recording with a logged error, never the call. At most one thread works on a file at a time.

    Attributes:
        path: The file; the name in use once the first audio was written.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting = bytearray()
        self._job: asyncio.Future[None] | None = None
        self._file: BinaryIO | None = None
        self._writer: WavWriter | None = None
        self._failed = False
        self._finishing = False

    def append(self, payload: bytes) -> None:
        """Add μ-law; never blocks. Ignored after ``close``. Needs a running event loop."""
        if self._failed or self._finishing:
            return
        self._waiting += payload
        if len(self._waiting) < WRITE_BYTES:
            return
        if self._job is None or self._job.done():
            self._job = asyncio.get_running_loop().run_in_executor(None, self._write, self._taken())
        elif len(self._waiting) > MAX_WAITING_BYTES:
            self._fail(f"the disk is {MAX_WAITING_BYTES // 8000} s behind")

    async def close(self) -> None:
        """Write the rest and close the file; safe to call twice, and again after a cancellation."""
        loop = asyncio.get_running_loop()
        while not self._finishing and self._job is not None and not self._job.done():
            await asyncio.shield(self._job)
        if not self._finishing:
            self._finishing = True
            self._job = loop.run_in_executor(None, self._finish, self._taken())
        if self._job is not None:
            await asyncio.shield(self._job)

    def _taken(self) -> bytes:
        payload = bytes(self._waiting)
        self._waiting.clear()
        return payload

    # In a worker thread

    def _write(self, payload: bytes) -> None:
        if self._failed:
            return
        try:
            if self._writer is None:
                self._file = self._opened()
                self._writer = WavWriter(self._file)
            self._writer.write(decode_ulaw(payload))
            self._writer.flush()
        except (OSError, AudioError) as error:
            self._fail(str(error))

    def _finish(self, payload: bytes) -> None:
        self._write(payload)
        if self._file is None:
            return
        try:
            if self._writer is not None and not self._failed:
                self._writer.close()
            self._file.close()
        except OSError as error:
            self._fail(str(error))

    def _opened(self) -> BinaryIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        wanted = self.path
        for number in itertools.count(2):
            try:
                return self.path.open("xb")
            except FileExistsError:
                self.path = wanted.with_stem(f"{wanted.stem}-{number}")
        raise AssertionError("unreachable: the numbers do not end")  # pragma: no cover

    def _fail(self, reason: str) -> None:
        self._failed = True
        log.error("recording %s ended early: %s", self.path, reason)
