"""Two phones joined: each hears the other, frame by frame, on the ticker of the first one's line."""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.carrier.phone.keypad import Keypad
from bridge.carrier.phone.leg import Leg


class Joint:
    """
    A ``line.Tap`` with another phone at its far end.

    Args:
        near: The phone of the line this is connected to.
        far: The other one; this takes its audio and gives it what it hears.
        is_ended_by_star: Whether ``*`` on the near phone is an order and not a digit to be passed on.

    Attributes:
        star: Set once that order was given.

    """

    def __init__(self, near: Leg, far: Leg, *, is_ended_by_star: bool = False) -> None:
        self.star: Final = asyncio.Event()
        self._far: Final = far
        self._is_ended_by_star: Final = is_ended_by_star
        self._to_near: Final = Keypad(near)
        self._to_far: Final = Keypad(far)

    def play_to_far(self, payload: bytes) -> None:
        """Let the far phone hear this μ-law first: the digits of ``<Number sendDigits>``."""
        self._to_far.play(payload)

    def tick(self, spoken: bytes, digits: str) -> bytes:
        """Pass 20 ms both ways: see ``line.Tap``."""
        if digits:
            self._pressed(digits)
        self._far.hear(self._to_far.frame(spoken))
        if answered := self._far.digits():
            self._to_near.press(answered)
        return self._to_near.frame(self._far.speak())

    def _pressed(self, digits: str) -> None:
        if self._is_ended_by_star and "*" in digits:
            self.star.set()
            digits = digits.partition("*")[0]
        if digits:
            self._to_far.press(digits)
