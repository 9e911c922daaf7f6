"""One ``play`` and what became of it: the ledger's row."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from bridge.calls.call import PlaybackFate

_SAMPLES_PER_MS: Final = 8


class Segment:
    """
    The audio of one ``play``; implements ``calls.Playback``.

    Samples move one way: queued → sent → played, or to cleared from either of the first two.

    Attributes:
        fate: As ``Playback.fate``.
        interruptible: Whether ``clear`` takes it.
        complete: No more audio will be queued.
        dropped_samples: Live audio lost because more than ``max_queue_ms`` waited.

    """

    def __init__(self, *, interruptible: bool = True, max_queue_ms: int | None = None) -> None:
        self.fate: PlaybackFate = "playing"
        self.interruptible: Final = interruptible
        self.complete = False
        self.queued_samples = 0
        self.sent_samples = 0
        self.played_samples = 0
        self.cleared_samples = 0
        self.dropped_samples = 0
        self._max_queue_samples = None if max_queue_ms is None else max_queue_ms * _SAMPLES_PER_MS
        self._waiting: deque[bytes | memoryview] = deque()
        self._settle: Callable[[], None] | None = None
        self._error: BaseException | None = None
        self._on_end: Callable[[], object] | None = None
        self._ended = asyncio.Event()
        self._room: asyncio.Event | None = None

    # Playback, for whoever called play

    @property
    def played_ms(self) -> int:
        if self._settle is not None and self.fate == "playing":
            self._settle()
        return self.played_samples // _SAMPLES_PER_MS

    @property
    def cleared_ms(self) -> int:
        return self.cleared_samples // _SAMPLES_PER_MS

    async def finished(self) -> PlaybackFate:
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        return self.fate

    # Filled and drained by the playout

    def settle_with(self, settle: Callable[[], None]) -> None:
        """Call this before ``played_ms`` is read, so that the ledger is true to the sample."""
        self._settle = settle

    @property
    def is_drained(self) -> bool:
        """Everything it will ever have was sent."""
        return self.complete and not self.queued_samples

    @property
    def is_heard(self) -> bool:
        """Everything it had was sent and must have been heard by now."""
        return self.is_drained and self.played_samples >= self.sent_samples

    def put(self, payload: bytes) -> None:
        """Queue μ-law."""
        if self.fate != "playing" or not payload:
            return
        self._waiting.append(payload)
        self.queued_samples += len(payload)

    def trim(self) -> None:
        """Of a live source drop the oldest that waits beyond ``max_queue_ms``; after sending what may go."""
        limit = self._max_queue_samples
        if limit is not None and self.queued_samples > limit:
            self.dropped_samples += len(self.take(self.queued_samples - limit))

    def take(self, samples: int) -> bytes:
        """Take up to this many samples off the front."""
        pieces: list[bytes | memoryview] = []
        while samples and self._waiting:
            piece = self._waiting.popleft()
            if len(piece) > samples:
                # A view, so that releasing a long speech in pieces does not copy its rest each time.
                view = memoryview(piece)
                self._waiting.appendleft(view[samples:])
                piece = view[:samples]
            pieces.append(piece)
            samples -= len(piece)
        only = pieces[0] if len(pieces) == 1 else None
        taken = only if isinstance(only, bytes) else b"".join(pieces)
        self.queued_samples -= len(taken)
        if self._room is not None:
            self._room.set()
        return taken

    def put_back(self, payload: bytes) -> None:
        """Queue again, in front, what was sent and then cut by a ``clear`` it survives."""
        self._waiting.appendleft(payload)
        self.queued_samples += len(payload)
        self.sent_samples -= len(payload)

    async def wait_for_room(self, samples: int) -> None:
        """Return once no more than ``samples`` wait; at once for sources that drop their oldest."""
        if self._max_queue_samples is not None:
            return
        while self.queued_samples > samples and self.fate == "playing":
            self._room = self._room or asyncio.Event()
            self._room.clear()
            await self._room.wait()

    def when_ended(self, callback: Callable[[], object] | None) -> None:
        """Call this once the row is closed, at once if it is; ``None`` takes that back."""
        self._on_end = callback
        if callback is not None and self.fate != "playing":
            callback()

    def fail(self, error: BaseException) -> None:
        """Its source failed: what waits is dropped; what was sent is heard, then ``finished`` raises."""
        self._error = error
        self.cleared_samples += self.queued_samples
        self._waiting.clear()
        self.queued_samples = 0
        self.complete = True

    def end(self, fate: PlaybackFate) -> None:
        """Close the row: what was not played is cleared."""
        if self.fate != "playing":
            return
        self.fate = fate
        if fate == "played":
            self.played_samples = self.sent_samples
        self.cleared_samples += self.sent_samples - self.played_samples + self.queued_samples
        self._waiting.clear()
        self.queued_samples = 0
        self._ended.set()
        if self._room is not None:
            self._room.set()
        if self._on_end is not None:
            self._on_end()
