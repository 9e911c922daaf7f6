"""Pauses between attempts that grow, and differ, so that many calls do not knock at once."""

from __future__ import annotations

from random import Random
from typing import Final

FIRST_S: Final = 0.25
MAX_S: Final = 5.0


class BackOff:
    """
    The next pause of a row of failures: doubling from 0.25 s to 5 s, each between its half and its whole.

    Args:
        random: For the difference; a seeded one makes a test exact.

    """

    def __init__(self, random: Random | None = None) -> None:
        self._random: Final = Random() if random is None else random  # noqa: S311  (jitter, no secret)
        self._next_s = FIRST_S

    def next_s(self) -> float:
        """Seconds to wait now."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, MAX_S)
        return pause_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It went well: the next row begins anew."""
        self._next_s = FIRST_S
