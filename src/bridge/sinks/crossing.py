"""The way between two event loops, each in a thread of its own: a sink's and the session's."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, TypeVar

from bridge.errors import CallEnded

log = logging.getLogger(__name__)

T = TypeVar("T")


class Crossing:
    """
    Runs things in another thread's loop.

    Args:
        loop: Where they run.

    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # Reentrant: a reader that the garbage collector finds closes itself wherever that happens.
        self._lock = threading.RLock()
        self._asked: set[Future[Any]] = set()
        self._is_closed = False

    def do(self, function: Callable[[], T]) -> T:
        """
        Call a function over there and wait for its result; its errors are raised here.

        Raises:
            CallEnded: the loop is gone.

        """
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(function())
            except Exception as error:  # noqa: BLE001  (whatever it is belongs to whoever asked)
                answer.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:
            raise _gone() from None
        return answer.result()

    def ask(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """
        Run a coroutine over there; cancelling the future cancels it.

        Raises:
            CallEnded: the loop is gone.
            asyncio.CancelledError: the crossing is closed.

        """
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise asyncio.CancelledError
            try:
                asked = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            except RuntimeError:
                coroutine.close()
                raise _gone() from None
            self._asked.add(asked)
        asked.add_done_callback(self._forget)
        return asked

    def tell(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine over there and care no more, even when the crossing is closed."""
        try:
            asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()

    def close(self) -> None:
        """Cancel everything that was asked for and is not answered; nothing can be asked for any more."""
        with self._lock:
            self._is_closed = True
            asked = list(self._asked)
        for one in asked:
            one.cancel()

    def _forget(self, asked: Future[Any]) -> None:
        with self._lock:
            self._asked.discard(asked)


def wait(asked: Future[T]) -> T:
    """
    Block until the answer is there.

    Raises:
        asyncio.CancelledError: the sink is cancelled; no ``except Exception`` swallows that.

    """
    try:
        return asked.result()
    except CancelledError:
        raise asyncio.CancelledError from None


class Reader(Generic[T]):
    """An iterator of the other loop, read one by one."""

    def __init__(self, iterator: AsyncIterator[T], crossing: Crossing) -> None:
        self._iterator = iterator
        self._crossing = crossing
        self._asked: Future[T | None] | None = None
        self._is_closed = False

    def ask(self) -> Future[T | None] | None:
        """Ask for the next; what was asked for and not taken yet is not lost. ``None`` when closed."""
        if self._is_closed:
            return None
        if self._asked is None:
            self._asked = self._crossing.ask(_next(self._iterator))
        return self._asked

    def took(self, item: T | None) -> T | None:
        """Note that what was asked for has been taken."""
        self._asked = None
        if item is None:
            self._is_closed = True
        return item

    def give(self) -> AsyncIterator[T]:
        """Hand the iterator over to somebody in its own loop; here it can be read no more."""
        self._is_closed = True
        if self._asked is not None:
            self._asked.cancel()
        return self._iterator

    def close(self) -> None:
        """Read no more; nothing more is buffered over there."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._asked is not None:
            self._asked.cancel()
        # Even when it is merely forgotten: what a session holds is taken from it in its own thread only.
        self._crossing.tell(_close(self._iterator))

    def __del__(self) -> None:
        self.close()


class Source(Generic[T]):
    """An iterator of the other loop, driven from this one, which may leave it at any moment."""

    def __init__(self, iterator: AsyncIterator[T], crossing: Crossing) -> None:
        self._iterator = iterator
        self._crossing = crossing
        self._idle: asyncio.Event | None = None

    async def items(self) -> AsyncIterator[T]:
        """Everything it gives; it is closed at the end."""
        try:
            while (item := await asyncio.wrap_future(self._crossing.ask(self._next()))) is not None:
                yield item
        finally:
            self._crossing.tell(self._close())  # not waited for: that thread may be busy for ever

    async def _next(self) -> T | None:
        self._idle = self._idle or asyncio.Event()
        self._idle.clear()
        try:
            return await anext(self._iterator, None)
        finally:
            self._idle.set()

    async def _close(self) -> None:
        if self._idle is not None:
            await self._idle.wait()  # a generator that is still being cancelled cannot be closed
        try:
            await _close(self._iterator)
        except Exception:
            log.exception("closing the audio that was played failed")


async def _next(iterator: AsyncIterator[T]) -> T | None:
    return await anext(iterator, None)


async def _close(iterator: AsyncIterator[Any]) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


def _gone() -> CallEnded:
    return CallEnded("the event loop that carries this call has stopped")
