"""Runs a sink's coroutine inside its task, and can end it even if it swallows its cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Generator
from typing import Any

log = logging.getLogger(__name__)


class Leash:
    """
    Awaitable once; as awaiting the coroutine itself, until it is cut.

    A task that catches ``CancelledError`` and goes on cannot be ended by asyncio's means, and its TaskGroup
    would wait for it for ever. So the coroutine is stepped here: once cut, it is closed where it waits.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._is_cut = False

    def cut(self) -> None:
        """Close the coroutine the next time its task is woken; cancel that after this."""
        self._is_cut = True

    def __await__(self) -> Generator[Any, Any, None]:
        step, argument = self._coroutine.send, None
        while True:
            try:
                awaited = step(argument)
            except StopIteration:
                return
            except GeneratorExit as error:  # from our caller it would mean that the loop is gone
                raise RuntimeError("the sink raised GeneratorExit") from error
            try:
                step, argument = self._coroutine.send, (yield awaited)
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:  # noqa: BLE001  (whatever it is, it is meant for the coroutine)
                step, argument = self._coroutine.throw, error
            if self._is_cut:
                self._close()
                raise asyncio.CancelledError

    def _close(self) -> None:
        try:
            self._coroutine.close()
        except BaseException as error:  # noqa: BLE001  (its last words; it is not resumed any more)
            log.warning("a sink that swallowed its cancellation failed when closed: %s", type(error).__name__)
