"""
What Twilio reports by callback: forms in, news out.

Sources: https://www.twilio.com/docs/voice/api/call-resource#statuscallback,
https://www.twilio.com/docs/voice/twiml/stream#statuscallback and
https://www.twilio.com/docs/voice/answering-machine-detection. Twilio adds fields at any time, so what is not
known is ignored; what is known and unreadable is taken for absent unless nothing can be done without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from bridge.calls.record import CallUpdate
from bridge.calls.status import FINAL, Status, is_status
from bridge.errors import InvalidField
from bridge.mediastream.messages import is_sid

Form = Iterable[tuple[str, str]]

_EVENTS: Final[dict[Status, str]] = {
    "initiated": "initiated",
    "ringing": "ringing",
    "in-progress": "answered",
}
_MAX_TEXT_CHARACTERS: Final = 500

StreamEvent = Literal["stream-started", "stream-stopped", "stream-error"]


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """
    News of a media stream.

    Attributes:
        call_sid: ``CA…``.
        stream_sid: ``MZ…``.
        event: What happened.
        at: When, by Twilio's clock.
        error: Twilio's text about it, with ``stream-error`` only.

    """

    call_sid: str
    stream_sid: str
    event: StreamEvent
    at: datetime
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DetectionUpdate:
    """
    The result of asynchronous machine detection.

    Attributes:
        call_sid: ``CA…``.
        answered_by: ``human``, ``fax``, ``unknown`` or one of the ``machine_…`` results.
        took_ms: How long the detection took; ``None`` if Twilio did not say.

    """

    call_sid: str
    answered_by: str
    took_ms: int | None = None


def event_of(status: Status) -> str | None:
    """Give the name under which a status callback is asked for, ``None`` for a state that has none."""
    return "completed" if status in FINAL else _EVENTS.get(status)


def read_call_update(form: Form, *, now: datetime) -> CallUpdate:
    """
    Read a call's status callback.

    Args:
        form: Its decoded fields.
        now: Used where Twilio's time stamp is absent or unreadable.

    Raises:
        InvalidField: The call's SID or its state is missing or wrong.

    """
    fields = dict(form)
    status = fields.get("CallStatus", "")
    if not is_status(status):
        raise InvalidField("CallStatus", "it is no state of a call.", "Send one that the Calls API knows.")
    return CallUpdate(
        call_sid=_sid(fields, "CallSid", "CA"),
        status=status,
        at=_rfc_2822(fields.get("Timestamp", "")) or now,
        sequence=_number(fields, "SequenceNumber"),
        duration_s=_number(fields, "CallDuration"),
        sip_status=_number(fields, "SipResponseCode"),
        answered_by=fields.get("AnsweredBy", "")[:_MAX_TEXT_CHARACTERS] or None,
    )


def read_stream_update(form: Form, *, now: datetime) -> StreamUpdate:
    """
    Read a stream's status callback; arguments and errors as for :func:`read_call_update`.

    Its time stamp is ISO 8601, unlike that of a call's.
    """
    fields = dict(form)
    call_sid, stream_sid = _sid(fields, "CallSid", "CA"), _sid(fields, "StreamSid", "MZ")
    at = _iso_8601(fields.get("Timestamp", "")) or now
    match fields.get("StreamEvent"):
        case "stream-started" | "stream-stopped" as event:
            return StreamUpdate(call_sid, stream_sid, event, at)
        case "stream-error":
            error = fields.get("StreamError", "")[:_MAX_TEXT_CHARACTERS] or "no reason was given"
            return StreamUpdate(call_sid, stream_sid, "stream-error", at, error)
    raise InvalidField(
        "StreamEvent", "it is no event of a stream.", "Send stream-started, -stopped or -error."
    )


def read_detection(form: Form) -> DetectionUpdate:
    """
    Read the result of asynchronous machine detection.

    Raises:
        InvalidField: The call's SID or the result is missing or wrong.

    """
    fields = dict(form)
    answered_by = fields.get("AnsweredBy", "")[:_MAX_TEXT_CHARACTERS]
    if not answered_by:
        raise InvalidField("AnsweredBy", "it is missing.", "Send the result, e.g. human.")
    return DetectionUpdate(
        _sid(fields, "CallSid", "CA"), answered_by, _number(fields, "MachineDetectionDuration")
    )


def _sid(fields: dict[str, str], name: str, prefix: str) -> str:
    sid = fields.get(name, "")
    if not is_sid(sid, prefix):
        raise InvalidField(name, "it is missing or no SID.", f"Send {prefix} and 32 hexadecimal digits.")
    return sid


def _number(fields: dict[str, str], name: str) -> int | None:
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _rfc_2822(text: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def _iso_8601(text: str) -> datetime | None:
    try:
        return _aware(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
