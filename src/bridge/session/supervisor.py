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
from bridge.sinks.sink import BoundSink

log = logging.getLogger(__name__)

_FIRST_BACK_OFF_S: Final = 0.5
_MAX_BACK_OFF_S: Final = 30.0


async def supervise(sink: BoundSink, call: Call, outcomes: dict[str, str], clock: Clock) -> None:
    """
    Run a sink to its end; only cancellation passes through.

    ``outcomes[sink.label]`` says how it fares: ``running``, ``done``, ``cancelled``, or the error.
    """
    outcomes[sink.label] = "running"
    back_off_s = _FIRST_BACK_OFF_S
    try:
        while True:
            try:
                await sink.run(call)
            except CallEnded:
                pass  # the call ended under it: the normal end of whoever speaks
            except (Exception, SystemExit) as error:  # a sink that exits must not take the server along
                log.exception("sink %s failed", sink.label)
                outcomes[sink.label] = f"{type(error).__name__}: {error}"
                if sink.restart:
                    await clock.sleep_until_s(clock.now_s() + back_off_s)
                    back_off_s = min(2 * back_off_s, _MAX_BACK_OFF_S)
                    continue
                return
            outcomes[sink.label] = "done"
            return
    except asyncio.CancelledError:
        outcomes[sink.label] = "cancelled"
        raise


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
    running = [
        group.create_task(supervise(sink, call, record.sinks, clock), name=f"{call.sid} {sink.label}")
        for sink in sinks
    ]
    await over.wait()
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=grace_s)
    for task in late:
        log.warning("%s is cancelled: not finished %g s after the call", task.get_name(), grace_s)
        task.cancel()
