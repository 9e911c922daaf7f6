"""The live calls of this process; the seam where other nodes will be asked one day."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from bridge.session.session import Session

log = logging.getLogger(__name__)


class Directory:
    """
    Every live session, by call SID.

    Two streams may claim the same SIDs; each is a session of its own and neither disturbs the other.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, list[Session]] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_draining = False

    def __len__(self) -> int:
        return sum(map(len, self._sessions.values()))

    def __iter__(self) -> Iterator[Session]:
        return iter([session for sessions in self._sessions.values() for session in sessions])

    def add(self, session: Session) -> None:
        """A session begins."""
        self._sessions.setdefault(session.sid, []).append(session)
        self._empty.clear()

    def remove(self, session: Session) -> None:
        """A session and all its sinks have finished."""
        sessions = self._sessions.get(session.sid, [])
        if session in sessions:
            sessions.remove(session)
        if not sessions:
            self._sessions.pop(session.sid, None)
        if not self._sessions:
            self._empty.set()

    def find(self, call_sid: str) -> Session | None:
        """The latest live session of a call."""
        sessions = self._sessions.get(call_sid)
        return sessions[-1] if sessions else None

    async def drain(self, timeout_s: float) -> None:
        """End every session as ``shutdown`` and wait until their sinks have finished, or the time is over."""
        self.is_draining = True
        for session in self:
            session.end("shutdown")
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            log.warning("%d calls had not finished after %g s", len(self), timeout_s)
