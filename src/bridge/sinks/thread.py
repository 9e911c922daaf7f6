"""
Runs a sink that blocks in a thread of its own, ``@sink(name, thread=True)``.

An ``async def`` gets an event loop there and a ``Call`` like any other; a plain ``def`` gets a
``BlockingCall``. The session's loop meets the thread only where the call is used, so whatever the sink does
in between delays nobody.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Final, Protocol

from bridge.calls.call import Call
from bridge.sinks.blocking_call import BlockingCall
from bridge.sinks.crossing import Crossing
from bridge.sinks.thread_call import ThreadCall
from bridge.sinks.whereabouts import whereabouts

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 1.0
"""How long a cancelled sink may take to notice; then its thread is left to itself."""


class _Work(Protocol):
    def run(self) -> None:
        """Do it, in the sink's thread."""

    def cancel(self) -> None:
        """End it early, from the session's thread."""


class _AsyncWork:
    def __init__(self, sink: Callable[[ThreadCall], Awaitable[None]], call: Call, crossing: Crossing) -> None:
        self._sink = sink
        self._call = call
        self._crossing = crossing
        self._is_cancelled = False
        self._task: asyncio.Task[None] | None = None

    def run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._task = asyncio.current_task()
        if self._is_cancelled:
            raise asyncio.CancelledError
        await self._sink(ThreadCall(self._call, self._crossing, asyncio.get_running_loop()))

    def cancel(self) -> None:
        self._is_cancelled = True
        if self._task is not None:
            with suppress(RuntimeError):  # its loop is closed: it is done
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


class _BlockingWork:
    def __init__(self, sink: Callable[[BlockingCall], None], call: Call, crossing: Crossing) -> None:
        self._sink = sink
        self._call = call
        self._crossing = crossing

    def run(self) -> None:
        self._sink(BlockingCall(self._call, self._crossing))

    def cancel(self) -> None:
        self._crossing.close()


async def run_in_thread(
    function: Callable[..., Any], call: Call, options: Mapping[str, Any], *, label: str
) -> None:
    """
    Give a sink a call in a new thread and wait for it; what it raises is raised here.

    Cancelled, it waits ``_PATIENCE_S`` for the thread. One that is stuck in code that blocks is logged and
    left: it is a daemon, so the process can end without it, and the call no longer answers it.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()
    crossing = Crossing(loop)
    bound = partial(function, **options)
    is_async = inspect.iscoroutinefunction(function)
    work: _Work = (_AsyncWork if is_async else _BlockingWork)(bound, call, crossing)

    def run() -> None:
        error: BaseException | None = None
        try:
            work.run()
        except BaseException as caught:  # noqa: BLE001  (also SystemExit: it goes to the supervisor)
            error = caught
        with suppress(RuntimeError):  # the session's loop may be gone by now
            loop.call_soon_threadsafe(_settle, ended, error)

    # A context of its own, as a task has: log lines of the thread know their call.
    thread = threading.Thread(target=copy_context().run, args=(run,), name=f"{call.sid} {label}", daemon=True)
    thread.start()
    try:
        await asyncio.wait([ended])
    except asyncio.CancelledError:
        work.cancel()
        await asyncio.wait([ended], timeout=_PATIENCE_S)
        if not ended.done():
            _abandon(thread, label)
            raise
    finally:
        crossing.close()
    error = ended.result()
    if error is not None:
        raise error


def _settle(ended: asyncio.Future[BaseException | None], error: BaseException | None) -> None:
    if not ended.done():
        ended.set_result(error)


def _abandon(thread: threading.Thread, label: str) -> None:
    place = whereabouts(thread.ident or 0)
    log.warning("sink %s is cancelled, but its thread is busy at %s; it is left to itself", label, place)
