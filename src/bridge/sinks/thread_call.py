"""The ``Call`` of an ``async def`` sink that runs in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Literal, TypeVar

from bridge.calls.call import AudioChunk, Call, Encoding, Playable, Playback, PlaybackFate, Track
from bridge.calls.event import CallEvent
from bridge.sinks.crossing import Crossing, Reader, Source
from bridge.sinks.far_call import FarCall

T = TypeVar("T")


class ThreadReader(Reader[T]):
    """What ``listen`` and ``events`` give."""

    def __aiter__(self) -> ThreadReader[T]:
        return self

    async def __anext__(self) -> T:
        asked = self.ask()
        # Shielded, so that a time-out around a chunk does not lose it.
        item = None if asked is None else await asyncio.shield(asyncio.wrap_future(asked))
        if self.took(item) is None or item is None:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        """As ``close``; lets ``contextlib.aclosing`` end a reader early."""
        self.close()


class ThreadPlayback:
    """Implements ``calls.Playback``."""

    def __init__(self, playback: Playback, crossing: Crossing) -> None:
        self._playback = playback
        self._crossing = crossing

    @property
    def fate(self) -> PlaybackFate:
        return self._playback.fate

    @property
    def played_ms(self) -> int:
        return self._crossing.do(lambda: self._playback.played_ms)

    @property
    def cleared_ms(self) -> int:
        return self._playback.cleared_ms

    async def finished(self) -> PlaybackFate:
        return await asyncio.wrap_future(self._crossing.ask(self._playback.finished()))


class ThreadCall(FarCall):
    """
    Implements ``calls.Call`` in another thread than the session's.

    An iterator that is played runs in the sink's own thread, so it ends with the sink: wait for
    ``finished()`` before you return.

    Args:
        call: The session.
        crossing: The way to the session's loop.
        loop: The sink's own.

    """

    def __init__(self, call: Call, crossing: Crossing, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(call, crossing)
        self._back: Final = Crossing(loop)

    def listen(
        self,
        track: Track = "inbound",
        *,
        rate_hz: int = 8000,
        chunk_ms: int = 20,
        encoding: Encoding = "pcm16",
        from_start: bool = False,
        max_queue_ms: int = 5000,
    ) -> ThreadReader[AudioChunk]:
        return self._crossing.do(
            lambda: ThreadReader(
                self._call.listen(
                    track,
                    rate_hz=rate_hz,
                    chunk_ms=chunk_ms,
                    encoding=encoding,
                    from_start=from_start,
                    max_queue_ms=max_queue_ms,
                ),
                self._crossing,
            )
        )

    async def play(
        self,
        audio: Playable | AsyncIterator[Playable],
        *,
        rate_hz: int = 8000,
        encoding: Literal["pcm16", "mulaw"] = "pcm16",
        max_queue_ms: int | None = None,
        interruptible: bool = True,
    ) -> Playback:
        if isinstance(audio, ThreadReader):
            audio = audio.give()  # what comes from over there is played over there
        elif isinstance(audio, AsyncIterator):
            audio = Source(audio, self._back).items()
        playing = self._call.play(
            audio,
            rate_hz=rate_hz,
            encoding=encoding,
            max_queue_ms=max_queue_ms,
            interruptible=interruptible,
        )
        return ThreadPlayback(await asyncio.wrap_future(self._crossing.ask(playing)), self._crossing)

    async def clear(self) -> None:
        await asyncio.wrap_future(self._crossing.ask(self._call.clear()))

    async def mark(self, name: str) -> None:
        await asyncio.wrap_future(self._crossing.ask(self._call.mark(name)))

    def events(self) -> ThreadReader[CallEvent]:
        return self._crossing.do(lambda: ThreadReader(self._call.events(), self._crossing))

    async def hangup(self, *, after_played: bool = False) -> None:
        await asyncio.wrap_future(self._crossing.ask(self._call.hangup(after_played=after_played)))

    async def send_digits(self, digits: str) -> None:
        await asyncio.wrap_future(self._crossing.ask(self._call.send_digits(digits)))
