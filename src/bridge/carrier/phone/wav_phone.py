"""The WAV phone: it answers, speaks a file, records what it hears, and hangs up when it has finished."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bridge.audio.g711 import FRAME_BYTES
from bridge.carrier.phone.leg import Answer, DialResult
from bridge.carrier.phone.recording import PhoneRecording
from bridge.carrier.stream.playback import SILENCE
from bridge.clock import Clock
from bridge.ticker import FRAME_S

ANSWERS: Final = MappingProxyType[DialResult, Answer](
    {
        "answered": Answer("answered", 200),
        "busy": Answer("busy", 486),
        "declined": Answer("declined", 603),
        "no-answer": Answer("no-answer", 487),
        "unreachable": Answer("unreachable", 404),
    }
)
"""How a phone may answer, with the SIP status for it (RFC 3261 section 21)."""


class WavPhone:
    """
    A ``Leg`` made of two files; everything after the answer is counted in frames of 20 ms.

    It begins to speak with the first frame that somebody listens to, says every sample exactly once, and
    hangs up ``hang_up_after_s`` after its last sample or digit. Nobody listening, it stays on the line.

    Args:
        spoken: What it says, μ-law at 8 kHz; may be empty.
        record_path: Where to keep what it hears (PCM16 mono WAV), from the answer on; None for nowhere.
        ring_s: How long it rings before it answers or declines.
        answer: How it answers; see ``ANSWERS``. Busy and unreachable phones do not ring; ``no-answer``
            rings until the caller gives up.
        hang_up_after_s: None: it never hangs up by itself.
        clock: Times the ringing.
        digits: Pairs of seconds since it began to speak, and digits it presses then.

    """

    def __init__(
        self,
        spoken: bytes,
        *,
        clock: Clock,
        record_path: Path | None = None,
        ring_s: float = 1.0,
        answer: Answer = ANSWERS["answered"],
        hang_up_after_s: float | None = 3.0,
        digits: Sequence[tuple[float, str]] = (),
    ) -> None:
        self._clock: Final = clock
        self._ring_s: Final = ring_s
        self._answer: Final = answer
        self._spoken: Final = spoken
        self._recording: Final = PhoneRecording(record_path) if record_path is not None else None
        presses = sorted((round(at_s / FRAME_S), pressed) for at_s, pressed in digits)
        self._presses: Final = deque(presses)
        last_frame = max([-(-len(spoken) // FRAME_BYTES), *(frame for frame, _ in presses)])
        self._last_frame: Final = (
            None if hang_up_after_s is None else last_frame + round(hang_up_after_s / FRAME_S)
        )
        self._frames = 0
        self._gone: Final = asyncio.Event()

    @property
    def recorded_path(self) -> Path | None:
        """Where the recording is; differs from the path asked for if that was taken."""
        return self._recording.path if self._recording is not None else None

    async def dial(self, ringing: Callable[[], None]) -> Answer:
        """Ring for ``ring_s`` and answer as scripted."""
        if self._answer.result in ("busy", "unreachable"):
            return self._answer
        ringing()
        if self._answer.result == "no-answer":
            await asyncio.Event().wait()  # until the caller gives up and cancels
        await self._clock.sleep_until_s(self._clock.now_s() + self._ring_s)
        return self._answer

    def speak(self) -> bytes:
        """The next frame of the file, the last one padded with silence; then silence."""
        start = self._frames * FRAME_BYTES
        self._frames += 1
        if self._last_frame is not None and self._frames >= self._last_frame:
            self._gone.set()
        frame = self._spoken[start : start + FRAME_BYTES]
        return frame if len(frame) == FRAME_BYTES else frame + SILENCE[len(frame) :]

    def hear(self, payload: bytes) -> None:
        """Record it, unless the phone has hung up."""
        if self._recording is not None and not self._gone.is_set():
            self._recording.append(payload)

    def digits(self) -> str:
        """The digits whose time has come."""
        pressed = ""
        while self._presses and self._presses[0][0] <= self._frames and self._frames:
            pressed += self._presses.popleft()[1]
        return pressed

    async def hung_up(self) -> None:
        """Return when it has finished; for ever on the line if ``hang_up_after_s`` is None."""
        await self._gone.wait()

    async def hang_up(self) -> None:
        """Finish the recording; safe to call twice."""
        if self._recording is not None:
            await self._recording.close()
