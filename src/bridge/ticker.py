"""One absolute 20 ms schedule for all calls of a process: no task and no timer per call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from bridge.clock import Clock

FRAME_S: Final = 0.020
_SLOTS: Final = 4
_MAX_BEHIND_S: Final = 2.0

log = logging.getLogger(__name__)


class Ticker:
    """
    Calls each member once per 20 ms, members spread over slots of 5 ms.

    A late wake-up is made good at once (the missed slots run back to back), so lateness never adds up;
    only after two seconds of standstill is the schedule started anew and counted.

    Attributes:
        max_late_s: The worst lateness of a slot so far.
        restarts: How often the schedule was started anew after a standstill.

    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: list[dict[int, Callable[[], None]]] = [{} for _ in range(_SLOTS)]
        self._next_key = 0
        self._wanted = asyncio.Event()
        self.max_late_s = 0.0
        self.restarts = 0

    def add(self, member: Callable[[], None]) -> Callable[[], None]:
        """Call ``member`` every 20 ms from now on; returns the function that ends this."""
        slot = min(self._slots, key=len)
        key = self._next_key
        self._next_key += 1
        slot[key] = member
        self._wanted.set()

        def remove() -> None:
            slot.pop(key, None)

        return remove

    async def run(self) -> None:
        """Keep the schedule until cancelled; while there are no members nothing wakes up."""
        step_s = FRAME_S / _SLOTS
        start_s = self._clock.now_s()
        count = 0
        while True:
            if not any(self._slots):
                self._wanted.clear()
                await self._wanted.wait()
                start_s, count = self._clock.now_s(), 1  # the first member's slot is due in 20 ms
            due_s = start_s + count * step_s
            await self._clock.sleep_until_s(due_s)
            late_s = self._clock.now_s() - due_s
            if late_s > self.max_late_s:
                self.max_late_s = late_s
            if late_s > _MAX_BEHIND_S:
                self.restarts += 1
                start_s, count = self._clock.now_s(), 0
            self._run_slot(self._slots[count % _SLOTS])
            count += 1

    @staticmethod
    def _run_slot(slot: dict[int, Callable[[], None]]) -> None:
        for key, member in list(slot.items()):
            try:
                member()
            except Exception:  # one call's fault must not stop the others' clock
                log.exception("a member of the 20 ms schedule failed and was removed")
                slot.pop(key, None)
