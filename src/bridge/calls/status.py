"""
A call's states: which may follow which, and how it can end.

Source: https://www.twilio.com/docs/voice/api/call-resource#call-status-values. Status callbacks are separate
requests, so they overtake each other; whoever applies one asks :data:`FOLLOWING` first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeGuard, get_args

Status = Literal[
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"
]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

Direction = Literal["incoming", "placed"]
"""``incoming``: a phone called us; ``placed``: we called it."""

FINAL: Final[frozenset[Status]] = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Nothing follows these."""

_NOTHING: Final[frozenset[Status]] = frozenset()

FOLLOWING: Final[dict[Status, frozenset[Status]]] = {
    # Any step may be skipped: its callback may be on its way still, or was never asked for.
    "queued": FINAL | {"initiated", "ringing", "in-progress"},
    "initiated": FINAL | {"ringing", "in-progress"},
    "ringing": FINAL | {"in-progress"},
    # Only completed and failed make sense here, but a carrier that says a call is over is believed: a record
    # that never ends would be worse than one that ends oddly.
    "in-progress": FINAL,
    "completed": _NOTHING,
    "busy": _NOTHING,
    "failed": _NOTHING,
    "no-answer": _NOTHING,
    "canceled": _NOTHING,
}
"""Which states may come after which; all others are late or impossible and change nothing."""

Result = Literal["success", "client", "server", "upstream", "indeterminate"]
"""Whose doing an end was: ``client`` a person at either end, ``server`` us, ``upstream`` the carrier."""

Reason = Literal[
    "completed",
    "phone_hung_up",
    "bridge_hung_up",
    "busy",
    "no_answer",
    "canceled",
    "rejected",
    "unknown_number",
    "shutdown",
    "stream_stalled",
    "carrier_failed",
    "stream_lost",
    "unknown",
]

RESULTS: Final[dict[Reason, Result]] = {
    "completed": "success",  # answered, and ended by one of its ends or by its time limit
    "phone_hung_up": "success",  # the stream's `stop` came before we asked for the end
    "bridge_hung_up": "success",  # a sink, a consumer or a request asked for the end
    "busy": "client",
    "no_answer": "client",
    "canceled": "client",  # ended before it was answered
    "rejected": "client",  # SIP 401, 403, 407, 603, 607, 608
    "unknown_number": "client",  # SIP 404, 410, 484, 485, 604
    "shutdown": "server",  # this process was stopped under it
    "stream_stalled": "server",  # we closed the media socket because its other end stopped reading
    "carrier_failed": "upstream",
    "stream_lost": "upstream",  # the media socket broke without `stop`
    "unknown": "indeterminate",  # nothing was heard of its end
}
"""The closed list of ends; metrics and records use only these."""

_REASONS: Final[dict[Status, Reason]] = {
    "completed": "completed",
    "busy": "busy",
    "failed": "carrier_failed",
    "no-answer": "no_answer",
    "canceled": "canceled",
}
# RFC 3261 section 21, RFC 8197 (607), RFC 8688 (608).
_SIP_REASONS: Final[dict[int, Reason]] = {
    401: "rejected",
    403: "rejected",
    404: "unknown_number",
    407: "rejected",
    410: "unknown_number",
    484: "unknown_number",
    485: "unknown_number",
    603: "rejected",
    604: "unknown_number",
    607: "rejected",
    608: "rejected",
}

STREAM_REASONS: Final[dict[str, Reason]] = {
    "stop": "phone_hung_up",
    "lost": "stream_lost",
    "hangup": "bridge_hung_up",
    "shutdown": "shutdown",
    "stalled": "stream_stalled",
}
"""What the end of a stream (``StreamEnded.reason``) says about the end of its call."""


@dataclass(frozen=True, slots=True)
class Termination:
    """How a call ended: ``reason`` from the closed list, ``result`` says whose doing that was."""

    reason: Reason

    @property
    def result(self) -> Result:
        """Whose doing it was; follows from the reason."""
        return RESULTS[self.reason]


def is_status(text: str) -> TypeGuard[Status]:
    """Tell whether this is one of the nine states."""
    return text in STATUSES


def reason_of(status: Status, sip_status: int | None = None) -> Reason:
    """
    Give the reason a final state stands for.

    Args:
        status: One of :data:`FINAL`.
        sip_status: The SIP answer behind it, if the carrier told; only ``failed`` is read more closely by it.

    """
    if status == "failed" and sip_status is not None:
        return _SIP_REASONS.get(sip_status, "carrier_failed")
    return _REASONS.get(status, "unknown")
