"""Names whoever blocks the event loop: one warning a stall, with the sink, the line and how long."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from bridge.clock import Clock
from bridge.sinks.whereabouts import whereabouts

log = logging.getLogger(__name__)

_EVERY_S: Final = 0.05
_LIMIT_S: Final = 0.1
_LASTING_S: Final = 1.0
"""A stall this long is reported while it lasts: it may never end."""


class StallWatch:
    """
    A thread that asks the event loop for a sign of life twenty times a second.

    A stall counts from the first question that waited more than 100 ms for its answer, so it may have lasted
    50 ms longer than is said. While one computation keeps the interpreter to itself (the GIL), the watch
    stands still too; it then looks who is at work the moment it runs again. With nobody at work the process
    was stopped, and nothing is counted.

    Attributes:
        stalls: How many there were.
        longest_s: The longest of them.

    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopping = threading.Event()
        self._answered = threading.Event()
        self.stalls = 0
        self.longest_s = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the running loop until the block ends."""
        loop, thread_id = asyncio.get_running_loop(), threading.get_ident()
        self._stopping.clear()
        watch = threading.Thread(
            target=self._watch, args=(loop, thread_id), name="bridge-stall-watch", daemon=True
        )
        watch.start()
        try:
            yield
        finally:
            self._stopping.set()
            self._answered.set()
            watch.join(_LIMIT_S)

    def _watch(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        try:
            slept_from_s = self._clock.now_s()
            while not self._stopping.wait(_EVERY_S):
                if not self._stood_still(slept_from_s + _EVERY_S, loop, thread_id):
                    self._ask(loop, thread_id)
                slept_from_s = self._clock.now_s()
        except RuntimeError:  # the loop is closed: there is nothing to watch any more
            return

    def _ask(self, loop: asyncio.AbstractEventLoop, thread_id: int) -> None:
        asked_s = self._clock.now_s()
        self._answered.clear()
        loop.call_soon_threadsafe(self._answered.set)
        answered = self._answered.wait(_LIMIT_S / 2)
        if self._stood_still(asked_s + _LIMIT_S / 2, loop, thread_id) or answered:
            self._wait_for_answer()
            return
        first = asyncio.current_task(loop)
        if self._answered.wait(_LIMIT_S / 2):
            return
        task, place = asyncio.current_task(loop), whereabouts(thread_id)
        ended = self._answered.wait(_LASTING_S)
        length_s = self._clock.now_s() - asked_s
        if self._stopping.is_set() or length_s < _LIMIT_S:
            return
        # Several tasks one after the other are a crowd: nobody of them is to blame.
        sid, label = _names(task if task is first else None)
        if label:
            message = "sink %s blocks the event loop: %d ms at %s; make it @sink(…, thread=True)"
            log.warning(message, label, round(length_s * 1000), place, extra={"call_sid": sid})
        else:
            log.warning("the event loop did not run for %d ms, last at %s", round(length_s * 1000), place)
        if not ended:
            self._wait_for_answer()
        self._count(self._clock.now_s() - asked_s)

    def _stood_still(self, due_s: float, loop: asyncio.AbstractEventLoop, thread_id: int) -> bool:
        """Whether the watch itself was kept from running, and by whom."""
        length_s = self._clock.now_s() - due_s
        if length_s < _LIMIT_S or (task := asyncio.current_task(loop)) is None:
            return False
        place = whereabouts(thread_id)
        sid, label = _names(task)
        message = "nothing ran for %d ms; at work was %s at %s (a computation that releases no other thread?)"
        who = f"sink {label}" if label else "the server"
        log.warning(message, round(length_s * 1000), who, place, extra={"call_sid": sid})
        self._count(length_s)
        return True

    def _wait_for_answer(self) -> None:
        while not self._answered.wait(_LASTING_S) and not self._stopping.is_set():
            pass

    def _count(self, length_s: float) -> None:
        self.stalls += 1
        self.longest_s = max(self.longest_s, length_s)


def _names(task: asyncio.Task[Any] | None) -> tuple[str | None, str]:
    """The call and the sink whose task it is, as the supervisor names them."""
    sid, _, label = (task.get_name() if task is not None else "").partition(" ")
    return (sid, label) if label else (None, "")
