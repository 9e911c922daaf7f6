"""Each sink runs here: its fault is logged, counted and perhaps retried, and touches nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from bridge.calls.call import Call
from bridge.calls.record import StreamRecord
from bridge.clock import Clock
from bridge.errors import CallEnded
from bridge.session.leash import Leash
from bridge.sinks.sink import BoundSink

log = logging.getLogger(__name__)

_FIRST_BACK_OFF_S: Final = 0.5
_MAX_BACK_OFF_S: Final = 30.0
_MAX_FAULT_CHARACTERS: Final = 300
_PATIENCE_S: Final = 2.0
"""How long a cancelled sink may clean up before it is closed; longer than a thread is waited for."""


class SupervisedSink:
    """
    One sink of one call, from its first start to its last end.

    ``outcomes[sink.label]`` says how it fares: ``running``, ``done``, ``cancelled``, or the error.

    Args:
        over: Set when the stream is; from then on nothing is started again.

    """

    def __init__(
        self, sink: BoundSink, call: Call, *, outcomes: dict[str, str], over: asyncio.Event, clock: Clock
    ) -> None:
        self._sink = sink
        self._call = call
        self._outcomes = outcomes
        self._over = over
        self._clock = clock
        self._leash: Leash | None = None
        self.is_pausing = False

    async def supervise(self) -> None:
        """Run the sink to its end; only cancellation passes through."""
        self._note("running")
        back_off_s = _FIRST_BACK_OFF_S
        while (fault := await self._run()) is not None:
            self._note(fault)
            if not self._sink.restart or self._over.is_set() or _is_cancelled():
                return
            self.is_pausing = True
            await self._clock.sleep_until_s(self._clock.now_s() + back_off_s)
            self.is_pausing = False
            back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)
        self._note("done")

    def cut(self) -> None:
        """Close it for good the next time its task is cancelled."""
        if self._leash is not None:
            self._leash.cut()

    async def _run(self) -> str | None:
        """Run it once; returns what went wrong."""
        self._leash = Leash(self._sink.run(self._call))
        try:
            await self._leash
        except (KeyboardInterrupt, GeneratorExit):
            raise  # somebody stops the process or its loop
        except asyncio.CancelledError as error:
            if _is_cancelled():
                self._note("cancelled")
                raise
            return self._failed(error)  # it awaited something of its own that was cancelled
        except BaseException as error:  # noqa: BLE001  (a sink that exits must not take the server along)
            return None if _is_end_of_call(error) else self._failed(error)
        return None

    def _failed(self, error: BaseException) -> str:
        log.error("sink %s failed", self._sink.label, exc_info=error)
        return _in_one_line(error)

    def _note(self, outcome: str) -> None:
        self._outcomes[self._sink.label] = outcome


async def run_sinks(
    sinks: Sequence[BoundSink],
    call: Call,
    *,
    group: asyncio.TaskGroup,
    record: StreamRecord,
    over: asyncio.Event,
    clock: Clock,
    grace_s: float,
) -> None:
    """Run the sinks until the stream is ``over`` and they have finished, or their grace is."""
    running: dict[asyncio.Task[None], SupervisedSink] = {}
    for sink in sinks:
        one = SupervisedSink(sink, call, outcomes=record.sinks, over=over, clock=clock)
        running[group.create_task(one.supervise(), name=f"{call.sid} {sink.label}")] = one
    try:
        await over.wait()
        for task, one in running.items():
            if one.is_pausing:
                task.cancel()  # its error stays what became of it
        if running:
            _, late = await asyncio.wait(running, timeout=grace_s)
            for task in late:
                log.warning("%s is cancelled: not finished %g s after the call", task.get_name(), grace_s)
    finally:
        await _end({task: one for task, one in running.items() if not task.done()})


async def _end(running: dict[asyncio.Task[None], SupervisedSink]) -> None:
    """Cancel what still runs, and close what swallows that."""
    if not running:
        return
    for task in running:
        task.cancel()
    _, stubborn = await asyncio.wait(running, timeout=_PATIENCE_S)
    for task in stubborn:
        log.error("%s swallows its cancellation and is closed", task.get_name())
        running[task].cut()
        task.cancel()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_end_of_call(error: BaseException) -> bool:
    """The call ended under it, or under tasks of its own: the normal end of whoever speaks."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(CallEnded)[1] is None
    return isinstance(error, CallEnded)


def _in_one_line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  (even this is the sink's own code)
        text = "(its text cannot be made)"
    return f"{type(error).__name__}: {text}"[:_MAX_FAULT_CHARACTERS]
