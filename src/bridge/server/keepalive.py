"""Pings on idle connections, and the end of those whose peer has vanished."""

from __future__ import annotations

import asyncio

from bridge.server.frames import Frames


class Keepalive:
    """
    Looks at a connection every ``interval_s``: if nothing came meanwhile it pings.

    A connection on which nothing at all has come ``timeout_s`` after a ping is closed with 1011. Any frame
    counts as a sign of life, so a missing pong never ends one on which frames arrive.

    Args:
        interval_s: ``None`` or 0 sends no pings.
        timeout_s: ``None`` never closes.

    """

    def __init__(
        self,
        frames: Frames,
        loop: asyncio.AbstractEventLoop,
        interval_s: float | None,
        timeout_s: float | None,
    ) -> None:
        self._frames = frames
        self._loop = loop
        self._interval_s = interval_s or 0.0
        self._timeout_s = timeout_s
        self._timer = loop.call_later(self._interval_s, self._look) if self._interval_s else None

    def _look(self) -> None:
        idle, self._frames.is_quiet = self._frames.is_quiet, True
        if idle:
            self._frames.ping()
        if idle and self._timeout_s is not None:
            self._timer = self._loop.call_later(self._timeout_s, self._judge)
        else:
            self._timer = self._loop.call_later(self._interval_s, self._look)

    def _judge(self) -> None:
        if self._frames.is_quiet:
            self._frames.fail(1011, "keepalive ping timeout")
        else:
            self._timer = self._loop.call_later(self._interval_s, self._look)

    def cancel(self) -> None:
        """The connection is over."""
        if self._timer is not None:
            self._timer.cancel()
