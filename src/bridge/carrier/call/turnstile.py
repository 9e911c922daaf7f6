"""Calls leave at a steady rate; those above it wait their turn, as at Twilio (1 a second unless raised)."""

from __future__ import annotations

from bridge.clock import Clock


class Turnstile:
    """
    Lets so many through a second, in the order in which they came.

    Args:
        per_second: The rate; ``None`` for no waiting.
        clock: Time.

    """

    def __init__(self, per_second: float | None, clock: Clock) -> None:
        self._step_s = 0.0 if per_second is None else 1 / per_second
        self._clock = clock
        self._free_s = clock.now_s()

    async def turn(self) -> int:
        """Wait for one's turn; returns the milliseconds waited."""
        now_s = self._clock.now_s()
        turn_s = max(now_s, self._free_s)
        self._free_s = turn_s + self._step_s
        if turn_s > now_s:
            await self._clock.sleep_until_s(turn_s)
        return round((turn_s - now_s) * 1000)
