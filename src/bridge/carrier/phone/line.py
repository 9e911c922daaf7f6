"""One call's audio, between its phone and whatever runs: a verb that plays, or a stream that listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from bridge.audio.g711 import FRAME_BYTES
from bridge.carrier.phone.leg import Leg
from bridge.carrier.stream.playback import SILENCE
from bridge.clock import Clock
from bridge.ticker import FRAME_S, Ticker


class Tap(Protocol):
    """Who listens to the phone and decides what it hears: a media stream."""

    def tick(self, spoken: bytes, digits: str) -> bytes:
        """Take the 20 ms the phone said and the digits it pressed; return the 20 ms it hears next."""
        ...


class _Programme:
    """Audio that is played once, then silence up to a whole number of frames."""

    def __init__(self, payload: bytes, frames: int, over: asyncio.Future[None]) -> None:
        self.over: Final = over
        self._payload: Final = payload
        self._frames: Final = frames
        self._next = 0

    def frame(self) -> bytes:
        """The next frame; ``over`` is set with the last one, so that what follows joins without a gap."""
        start = self._next * FRAME_BYTES
        self._next += 1
        if self._next >= self._frames and not self.over.done():
            self.over.set_result(None)
        frame = self._payload[start : start + FRAME_BYTES]
        return frame if len(frame) == FRAME_BYTES else frame + SILENCE[len(frame) :]


class Line:
    """
    A member of the ticker while the call is up; all its time is counted in frames of 20 ms.

    Every frame: the phone's digits are taken; with a tap connected, the phone is asked to speak and the
    tap answers with what it hears; otherwise it hears what a verb plays, or silence.

    """

    def __init__(self, leg: Leg, ticker: Ticker, clock: Clock) -> None:
        self._leg: Final = leg
        self._ticker: Final = ticker
        self._clock: Final = clock
        self._leave: Callable[[], None] | None = None
        self._started_s: float | None = None
        self._stopped_s: float | None = None
        self._tap: Tap | None = None
        self._programme: _Programme | None = None

    @property
    def leg(self) -> Leg:
        """The phone at its end."""
        return self._leg

    @property
    def duration_s(self) -> float:
        """How long the line has been up: from ``start`` to ``stop``, or until now."""
        if self._started_s is None:
            return 0.0
        end_s = self._clock.now_s() if self._stopped_s is None else self._stopped_s
        return end_s - self._started_s

    def start(self) -> None:
        """Join the ticker: the phone was answered. A second call does nothing."""
        if self._started_s is None:
            self._started_s = self._clock.now_s()
            self._leave = self._ticker.add(self._tick)

    def stop(self) -> None:
        """Leave the ticker for good: the call is over. A verb that is still waiting returns at once."""
        if self._leave is None:
            return
        self._leave()
        self._leave = None
        self._stopped_s = self._clock.now_s()
        self._tap = None
        if self._programme is not None and not self._programme.over.done():
            self._programme.over.set_result(None)

    async def play(self, payload: bytes) -> None:
        """
        Let the phone hear this μ-law; returns with its last frame, or at once when the call is over.

        Raises:
            RuntimeError: the line was never started, or something else is being played or connected.

        """
        await self._run(payload, -(-len(payload) // FRAME_BYTES))

    async def pause(self, seconds: float) -> None:
        """Let the phone hear silence for this long, to the nearest 20 ms; raises as ``play``."""
        await self._run(b"", round(seconds / FRAME_S))

    async def _run(self, payload: bytes, frames: int) -> None:
        if self._started_s is None:
            raise RuntimeError("the line was not started")
        if self._programme is not None or self._tap is not None:
            raise RuntimeError("the line is busy: verbs run one after the other")
        if self._leave is None or frames <= 0:
            return
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._programme = _Programme(payload, frames, over)
        try:
            await over
        finally:
            self._programme = None

    def connect(self, tap: Tap) -> None:
        """
        Let ``tap`` hear the phone, and the phone hear ``tap``, from the next frame on.

        Raises:
            RuntimeError: something is being played or connected already.

        """
        if self._programme is not None or self._tap is not None:
            raise RuntimeError("the line is busy: verbs run one after the other")
        self._tap = tap

    def disconnect(self) -> None:
        """End ``connect``; without one this does nothing."""
        self._tap = None

    def _tick(self) -> None:
        digits = self._leg.digits()
        if self._tap is not None:
            heard = self._tap.tick(self._leg.speak(), digits)
        elif self._programme is not None:
            heard = self._programme.frame()
        else:
            heard = SILENCE
        self._leg.hear(heard)
