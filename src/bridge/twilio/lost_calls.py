"""Asks after calls whose stream broke: the callback that would end their record may never come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from bridge.calls.record import CallRecord, CallUpdate
from bridge.calls.status import FINAL
from bridge.calls.store import CallStore
from bridge.clock import Clock
from bridge.errors import BridgeError, CarrierRefused
from bridge.twilio.rest import CallState

log = logging.getLogger(__name__)

AskState = Callable[[str], Awaitable[CallState]]
"""Asks the carrier how a call stands, by its SID; ``TwilioRest.state_of``."""

WAITS_S: Final = (5.0, 10.0, 20.0, 40.0)
"""Before each question: for the callback to come by itself, then for a carrier that is being restarted."""

_MAX_ASKED: Final = 1000


class LostCalls:
    """
    Ends the records of calls that the carrier has lost, or whose last callback it has.

    A carrier that crashes takes its placed calls with it and calls nobody back. One that knows the call is
    believed: where it says that the call goes on, the record does too, and its callback is still to come.

    Bound: 1,000 calls; policy: a further one is left as it is and logged.

    Args:
        ask: Asks the carrier; ``None`` where there is none, and then no record changes.
        store: Keeps the records.
        clock: Time.

    """

    def __init__(self, ask: AskState | None, store: CallStore, clock: Clock) -> None:
        self._ask: Final = ask
        self._store: Final = store
        self._clock: Final = clock
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, record: CallRecord) -> None:
        """Ask after a call later on; at once nothing happens, and nothing at all while the server stops."""
        if self._ask is None or self._tasks is None or record.is_over or record.sid in self._asked:
            return
        if len(self._asked) >= _MAX_ASKED:
            log.warning("%d lost calls are asked after, this one is not", len(self._asked))
            return
        self._asked[record.sid] = self._tasks.create_task(self._settle(record, self._ask))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ask while the application runs; its end waits for no answer."""
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            try:
                yield
            finally:
                self._tasks = None
                for task in self._asked.values():
                    task.cancel()
        self._asked.clear()  # of those too that were ended before they began

    async def _settle(self, record: CallRecord, ask: AskState) -> None:
        try:
            await self._ask_until_told(record, ask)
        except Exception:
            # A fault of ours must not end the other tasks of the group, and the server with them.
            log.exception("asking after a lost call failed", extra={"call_sid": record.sid})
        finally:
            self._asked.pop(record.sid, None)

    async def _ask_until_told(self, record: CallRecord, ask: AskState) -> None:
        fault: BridgeError | None = None
        for wait_s in WAITS_S:
            await self._clock.sleep_until_s(self._clock.now_s() + wait_s)
            if record.is_over:
                return
            try:
                state: CallState | None = await ask(record.sid)
            except BridgeError as error:
                if not isinstance(error, CarrierRefused) or error.status != 404:
                    fault = error
                    continue
                state = None  # it is not known there: with the carrier's memory the call is gone
            if state is None or state.status in FINAL:
                await self._finish(record, state)
            return
        log.warning(
            "the carrier does not say what became of a lost call: %s", fault, extra={"call_sid": record.sid}
        )

    async def _finish(self, record: CallRecord, state: CallState | None) -> None:
        """End a record as of the end of its stream, after which nothing of the call reached us."""
        if record.is_over:
            return  # its callback was quicker than the answer
        stream_ended_at = record.streams[-1].ended_at if record.streams else None
        at = stream_ended_at or self._clock.utc()
        if state is None:
            record.finish(at, fallback="stream_lost")
        else:
            record.apply(CallUpdate(record.sid, state.status, at, duration_s=state.duration_s))
        await self._store.save(record)
        log.info(
            "the carrier says that the lost call is over: %s", record.status, extra={"call_sid": record.sid}
        )
