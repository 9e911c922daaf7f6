"""The call of a plain ``def`` sink: everything that takes time blocks, in a thread of the sink's own."""

from __future__ import annotations

from typing import Literal, TypeVar

from bridge.calls.call import AudioChunk, Encoding, Playable, Playback, PlaybackFate, Track
from bridge.calls.event import CallEvent
from bridge.sinks.crossing import Crossing, Reader, wait
from bridge.sinks.far_call import FarCall

T = TypeVar("T")


class BlockingReader(Reader[T]):
    """What ``listen`` and ``events`` give: an iterator that blocks until there is something."""

    def __iter__(self) -> BlockingReader[T]:
        return self

    def __next__(self) -> T:
        asked = self.ask()
        item = None if asked is None else wait(asked)
        if self.took(item) is None or item is None:
            raise StopIteration
        return item


class BlockingPlayback:
    """What became of one ``play``; see ``calls.Playback``."""

    def __init__(self, playback: Playback, crossing: Crossing) -> None:
        self._playback = playback
        self._crossing = crossing

    @property
    def fate(self) -> PlaybackFate:
        """``playing`` (or waiting) until it was ``played`` to its end or ``cleared``."""
        return self._playback.fate

    @property
    def played_ms(self) -> int:
        """How much the phone has heard, estimated to a frame while it plays."""
        return self._crossing.do(lambda: self._playback.played_ms)

    @property
    def cleared_ms(self) -> int:
        """How much will never be heard."""
        return self._playback.cleared_ms

    def finished(self) -> PlaybackFate:
        """Block until the end; raises ``CallEnded`` as ``calls.Playback`` does."""
        return wait(self._crossing.ask(self._playback.finished()))


class BlockingCall(FarCall):
    """
    A call for code that blocks: what ``calls.Call`` does, without ``await``.

    Once the sink is cancelled (its grace after the call is over), whatever waits raises
    ``asyncio.CancelledError``; telling the record still works then.
    """

    def listen(
        self,
        track: Track = "inbound",
        *,
        rate_hz: int = 8000,
        chunk_ms: int = 20,
        encoding: Encoding = "pcm16",
        from_start: bool = False,
        max_queue_ms: int = 5000,
    ) -> BlockingReader[AudioChunk]:
        """Read the call's audio; arguments and errors as ``Call.listen``."""
        return self._crossing.do(
            lambda: BlockingReader(
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

    def play(
        self,
        audio: Playable,
        *,
        rate_hz: int = 8000,
        encoding: Literal["pcm16", "mulaw"] = "pcm16",
        interruptible: bool = True,
    ) -> BlockingPlayback:
        """Play to the phone; what is made piece by piece is played piece by piece. As ``Call.play``."""
        playing = self._call.play(audio, rate_hz=rate_hz, encoding=encoding, interruptible=interruptible)
        return BlockingPlayback(wait(self._crossing.ask(playing)), self._crossing)

    def clear(self) -> None:
        """Stop what plays and drop what waits (barge-in); raises as ``play``."""
        wait(self._crossing.ask(self._call.clear()))

    def mark(self, name: str) -> None:
        """Ask for a ``MarkReached`` event once everything queued before was played; raises as ``play``."""
        wait(self._crossing.ask(self._call.mark(name)))

    def events(self) -> BlockingReader[CallEvent]:
        """Everything that happened since the call's start and will happen, in order."""
        return self._crossing.do(lambda: BlockingReader(self._call.events(), self._crossing))

    def hangup(self, *, after_played: bool = False) -> None:
        """End the call, at once or when everything queued was played."""
        wait(self._crossing.ask(self._call.hangup(after_played=after_played)))

    def send_digits(self, digits: str) -> None:
        """Play digits as dual tones in band; characters and errors as ``Call.send_digits``."""
        wait(self._crossing.ask(self._call.send_digits(digits)))
