"""Speaks into a call what comes from a socket in pieces: audio, marks and digits, in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, Literal

from bridge.calls.call import Call
from bridge.errors import CallError

_SAMPLE_BYTES: Final = {"pcm16": 2, "mulaw": 1}
_PIECE_BYTES: Final = 4096
"""Smaller pieces are joined while they wait, so that many tiny ones cost no more memory than their audio."""


@dataclass(frozen=True, slots=True)
class _Mark:
    name: str


@dataclass(frozen=True, slots=True)
class _Digits:
    digits: str


class Speaker:
    """
    One program's voice in a call.

    Pieces that follow each other closely are one ``play``, so that resampling runs through and nobody else's
    audio comes between; a pause in which nothing is left to say ends it. A ``clear`` of the call by somebody
    else drops what waits here too.

    Bound: ``max_queue_ms`` of audio and ``max_marks`` marks and digit strings; policy: ``put``, ``mark`` and
    ``digits`` refuse, and say so.

    Args:
        call: Hears it.
        rate_hz: Of the audio.
        encoding: Of the audio.
        on_cleared: Told of each mark that was dropped before the call had it; the call tells of the others,
            by ``MarkReached``.
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
        self._waiting: deque[bytearray | _Mark | _Digits] = deque()
        self._waiting_bytes = 0
        self._waiting_marks = 0
        self._news = asyncio.Event()
        self._emptied = asyncio.Event()
        self._said = asyncio.Event()
        self._turn = 0

    def put(self, audio: bytes) -> bool:
        """Say this after everything before it; false if too much waits already, and it is lost."""
        if self._waiting_bytes + len(audio) > self._max_bytes:
            return False
        if audio:
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, bytearray) and len(last) < _PIECE_BYTES:
                last += audio
            else:
                self._waiting.append(bytearray(audio))
            self._waiting_bytes += len(audio)
            self._news.set()
        return True

    def mark(self, name: str) -> bool:
        """Mark this place; false if too many marks wait already."""
        return self._place(_Mark(name))

    def digits(self, digits: str) -> bool:
        """Play digits, as ``Call.send_digits`` knows them, at this place; false if too many wait already."""
        return self._place(_Digits(digits))

    def _place(self, item: _Mark | _Digits) -> bool:
        if self._waiting_marks >= self._max_marks:
            return False
        self._waiting.append(item)
        self._waiting_marks += 1
        self._news.set()
        return True

    async def clear(self) -> None:
        """Stop, and drop all that waits; raises as ``Call.clear``."""
        self._turn += 1  # an iteration the clear has ended must not swallow what is said after it
        marks = self._drop()
        try:
            await self._call.clear()
        finally:
            for name in marks:
                self._on_cleared(name)

    def forget(self) -> None:
        """Drop all that waits; what the call has already is still heard."""
        for name in self._drop():
            self._on_cleared(name)

    async def handed_over(self) -> None:
        """Return once nothing waits here any more: the call has it all, or it was dropped."""
        while self._waiting:
            self._emptied.clear()
            await self._emptied.wait()

    async def run(self) -> None:
        """
        Speak until cancelled; may be called again after it has raised.

        Raises:
            CallEnded, CallReadOnly: as ``Call.play``; what waits still waits.
            ValueError: as ``Call.send_digits``.

        """
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            match self._waiting[0]:
                case _Mark(name):
                    self._take()
                    await self._set_mark(name)
                case _Digits(digits):
                    self._take()
                    await self._call.send_digits(digits)
                case _:
                    await self._speak()

    async def _set_mark(self, name: str) -> None:
        try:
            await self._call.mark(name)
        except CallError:
            self._on_cleared(name)
            raise

    async def _speak(self) -> None:
        turn = self._turn
        self._said.clear()
        playback = await self._call.play(
            self._utterance(turn), rate_hz=self._rate_hz, encoding=self._encoding
        )
        await self._said.wait()
        if playback.fate == "cleared" and turn == self._turn:
            self.forget()  # somebody else's clear, or the call's end: it means all that was said until then

    async def _utterance(self, turn: int) -> AsyncIterator[bytes]:
        try:
            while await self._has_audio() and turn == self._turn:
                yield bytes(self._take())
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
        return bool(self._waiting) and isinstance(self._waiting[0], bytearray)

    def _take(self) -> bytearray:
        """Take the next thing to say off the queue; nothing is in it that is no audio."""
        item = self._waiting.popleft()
        audio = item if isinstance(item, bytearray) else bytearray()
        self._waiting_bytes -= len(audio)
        self._waiting_marks -= not isinstance(item, bytearray)
        if not self._waiting:
            self._emptied.set()
        return audio

    def _drop(self) -> list[str]:
        """Drop all that waits; gives the names of its marks."""
        marks = [item.name for item in self._waiting if isinstance(item, _Mark)]
        self._waiting.clear()
        self._waiting_bytes = self._waiting_marks = 0
        self._emptied.set()
        return marks
