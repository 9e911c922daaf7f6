"""What the carrier reports of a call: to its live session if there is one, and to the feed in any case."""

from __future__ import annotations

from typing import Final

from bridge.calls.feed import EventFeed
from bridge.calls.record import CallRecord
from bridge.session.directory import Directory
from bridge.session.session import Session


class Announcer:
    """
    Implements ``calls.observed_store.RecordObserver``.

    A live session numbers the event, keeps it for ``call.events()`` and publishes it to the feed itself.
    Where there is none (not yet, not any more, or never) the feed is told directly, without ``number`` and
    ``at_ms``.

    Args:
        directory: The live sessions.
        feed: Is told everything once.

    """

    def __init__(self, directory: Directory, feed: EventFeed) -> None:
        self._directory: Final = directory
        self._feed: Final = feed

    def status_changed(self, record: CallRecord) -> None:
        if (session := self._live(record)) is not None:
            session.note_status(record.status)
        else:
            self._feed.publish({"event": "state", "status": record.status}, call_sid=record.sid)

    def detected(self, record: CallRecord) -> None:
        if record.answered_by is None:
            return
        if (session := self._live(record)) is not None:
            session.note_answered_by(record.answered_by)
        else:
            self._feed.publish({"event": "amd", "answered_by": record.answered_by}, call_sid=record.sid)

    def _live(self, record: CallRecord) -> Session | None:
        session = self._directory.find(record.sid)
        # An ended one, whose sinks still finish, takes no more events.
        return session if session is not None and session.end_reason is None else None
