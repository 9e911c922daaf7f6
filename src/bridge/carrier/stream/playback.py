"""
The queue of audio on its way to the phone, played in real time, as Twilio keeps it for each stream.

Source: https://www.twilio.com/docs/voice/media-streams/websocket-messages (``media``, ``mark``, ``clear``
sent to Twilio) and https://www.twilio.com/docs/api/errors/31931. Time is counted in frames: one call of
``tick`` is 20 ms. No clock, no I/O.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from bridge.audio.g711 import FRAME_BYTES, ulaw_silence

MAX_QUEUED_BYTES: Final = 10 * 60 * 8000
"""Ten minutes of μ-law: Twilio refuses what would be queued beyond them (warning 31931)."""

MAX_MARKS: Final = 30_000
"""Marks waiting at once: one a frame for ten minutes. Twilio documents no limit; a queue needs one."""

SILENCE: Final = ulaw_silence(FRAME_BYTES)

_NO_MARKS: Final[tuple[str, ...]] = ()


class Playback:
    """
    What a server has sent and the phone has not heard yet.

    A mark is reached when the last sample before it has *been* played, so the frame now on its way to
    the ear still holds it back. An odd rest of less than a frame is played at once, padded with silence.

    Attributes:
        heard_frames: Frames given to the phone so far that held audio of the server's.

    """

    def __init__(self, *, max_queued_bytes: int = MAX_QUEUED_BYTES, max_marks: int = MAX_MARKS) -> None:
        self.heard_frames = 0
        self._max_queued_bytes: Final = max_queued_bytes
        self._max_marks: Final = max_marks
        self._queue = bytearray()
        self._marks: deque[tuple[int, str]] = deque()
        self._given_bytes = 0
        self._heard_bytes = 0

    @property
    def queued_ms(self) -> int:
        """Milliseconds of audio waiting, rounded down."""
        return len(self._queue) // 8

    def play(self, payload: bytes) -> bool:
        """Queue μ-law of any length; false if it was refused, whole, because the queue is full."""
        if len(self._queue) + len(payload) > self._max_queued_bytes:
            return False
        self._queue += payload
        return True

    def mark(self, name: str) -> bool | None:
        """
        Set a mark behind everything queued so far.

        Returns:
            True if it is reached already (nothing is queued or being played): echo it now. False if it
            waits for ``tick``. None if it was refused because too many are waiting.

        """
        position = self._given_bytes + len(self._queue)
        if position <= self._heard_bytes and not self._marks:
            return True
        if len(self._marks) >= self._max_marks:
            return None
        self._marks.append((position, name))
        return False

    def clear(self) -> list[str]:
        """Drop what was not given to the phone yet; returns every waiting mark, in the order of setting."""
        self._queue.clear()
        names = [name for _, name in self._marks]
        self._marks.clear()
        return names

    def tick(self) -> tuple[bytes, tuple[str, ...]]:
        """
        Pass 20 ms.

        Returns:
            The next frame the phone hears, 160 bytes of μ-law, and the marks reached by now, in order.

        """
        self._heard_bytes = self._given_bytes
        marks = self._reached() if self._marks else _NO_MARKS
        if not self._queue:
            return SILENCE, marks
        frame = bytes(self._queue[:FRAME_BYTES])
        del self._queue[:FRAME_BYTES]  # moves the start of the buffer, not its content
        self._given_bytes += len(frame)
        self.heard_frames += 1
        if len(frame) < FRAME_BYTES:
            frame += SILENCE[len(frame) :]
        return frame, marks

    def _reached(self) -> tuple[str, ...]:
        names = []
        while self._marks and self._marks[0][0] <= self._heard_bytes:
            names.append(self._marks.popleft()[1])
        return tuple(names)
