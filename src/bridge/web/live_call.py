"""Finding the live stream of a call; where there is none, saying whether it is not there yet or is over."""

from __future__ import annotations

from urllib.parse import quote

from bridge.calls.record import CallRecord
from bridge.calls.store import CallStore
from bridge.errors import CallUnknown
from bridge.session.directory import Directory
from bridge.session.session import Session
from bridge.web.problem import Problem


async def live_session(sid: str, *, directory: Directory, store: CallStore) -> Session:
    """
    Give the session of a call that streams here.

    Raises:
        CallUnknown: nobody knows the call.
        Problem: 409 ``call_not_streaming`` before its stream, ``call_ended`` after it; ``why_not_live``.

    """
    session = directory.find(sid)
    if session is not None and session.end_reason is None:
        return session
    record = await store.get(sid)
    if record is None and session is None:
        raise CallUnknown("No call with this SID is known here.")
    raise why_not_live(record)


def why_not_live(record: CallRecord | None) -> Problem:
    """Say why a call does not stream, and what to do instead; ``None`` is one whose stream has just ended."""
    if record is not None and not record.is_over and not record.streams:
        answered = record.status == "in-progress"
        state = "answered, but its stream has not begun" if answered else record.status
        return Problem(
            409,
            "call_not_streaming",
            f"Not yet: the call is {state}.",
            hint="Ask again once it streams; the event stream-started of /events says when.",
        )
    how = f"The call is over: {record.status}." if record is not None and record.is_over else None
    return Problem(
        409,
        "call_ended",
        how or "The call's stream is over.",
        hint=None if record is None else _where_recorded(record),
        more={"recordings": [] if record is None else [path.name for path in record.recordings]},
    )


def _where_recorded(record: CallRecord) -> str:
    if not record.recordings:
        return "It was not recorded; the sink wav would have."
    urls = (f"/calls/{record.sid}/recording?name={quote(path.name)}" for path in record.recordings)
    return f"Its recordings: {', '.join(urls)}"
