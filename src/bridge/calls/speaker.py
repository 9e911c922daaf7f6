"""Speaks into a call what comes from a socket in pieces: audio and marks, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final, Literal

from bridge.calls.call import Call

_SAMPLE_BYTES: Final = {"pcm16": 2, "mulaw": 1}


class Speaker:
    """
    One program's voice in a call.

    Pieces that follow each other closely are one ``play``, so that resampling runs through and nobody else's
    audio comes between; a pause in which nothing is left to say ends it.

    Bound: ``max_queue_ms`` of audio and ``max_marks`` marks; policy: ``put`` and ``mark`` refuse, and say so.

    Args:
        call: Hears it.
        rate_hz: Of the audio.
        encoding: Of the audio.
        on_cleared: Told of each mark that a ``clear`` took before the call had it; the call tells of the
            others, by ``MarkReached``.
        pause_s: So long nothing must come for a ``play`` to be over.

    """

    def __init__(
        self,
        call: Call,
        *,
        rate_hz: int = 8000,
        encoding: Literal["pcm16", "mulaw"] = "pcm16",
        on_cleared: Callable[[str], None] = lambda _: None,
        max_queue_ms: int = 120_000,
        max_marks: int = 1000,
        pause_s: float = 0.3,
    ) -> None:
        self._call = call
        self._rate_hz: Final = rate_hz
        self._encoding: Final = encoding
        self._on_cleared = on_cleared
        self._max_bytes: Final = max_queue_ms * rate_hz * _SAMPLE_BYTES[encoding] // 1000
        self._max_marks: Final = max_marks
        self._pause_s: Final = pause_s
        self._waiting: deque[bytes | str] = deque()
        self._waiting_bytes = 0
        self._waiting_marks = 0
        self._news = asyncio.Event()
        self._said = asyncio.Event()
        self._turn = 0

    def put(self, audio: bytes) -> bool:
        """Say this after everything before it; false if too much waits already, and it is lost."""
        if self._waiting_bytes + len(audio) > self._max_bytes:
            return False
        if audio:
            self._waiting.append(audio)
            self._waiting_bytes += len(audio)
            self._news.set()
        return True

    def mark(self, name: str) -> bool:
        """Mark this place; false if too many marks wait already."""
        if self._waiting_marks >= self._max_marks:
            return False
        self._waiting.append(name)
        self._waiting_marks += 1
        self._news.set()
        return True

    async def clear(self) -> None:
        """Stop, and drop all that waits; raises as ``Call.clear``."""
        self._turn += 1  # an iteration the clear has ended must not swallow what is said after it
        marks = [item for item in self._waiting if isinstance(item, str)]
        self._waiting.clear()
        self._waiting_bytes = self._waiting_marks = 0
        await self._call.clear()
        for name in marks:
            self._on_cleared(name)

    async def run(self) -> None:
        """
        Speak until cancelled.

        Raises:
            CallEnded, CallReadOnly: as ``Call.play``.

        """
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            if isinstance(self._waiting[0], str):
                await self._call.mark(self._take_mark())
                continue
            self._said.clear()
            await self._call.play(self._utterance(self._turn), rate_hz=self._rate_hz, encoding=self._encoding)
            await self._said.wait()

    def _take_mark(self) -> str:
        name = self._waiting.popleft()
        self._waiting_marks -= 1
        return str(name)

    async def _utterance(self, turn: int) -> AsyncIterator[bytes]:
        try:
            while await self._has_audio() and turn == self._turn:
                piece = self._waiting.popleft()
                self._waiting_bytes -= len(piece)
                yield piece  # type: ignore[misc]  # _has_audio has looked
        finally:
            self._said.set()

    async def _has_audio(self) -> bool:
        """Whether the next thing to say is audio; waits a moment for it."""
        if not self._waiting:
            self._news.clear()
            try:
                async with asyncio.timeout(self._pause_s):
                    await self._news.wait()
            except TimeoutError:
                return False
        return bool(self._waiting) and isinstance(self._waiting[0], bytes)
