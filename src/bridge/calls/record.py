"""What is remembered of a call: who, when, which streams, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from bridge.calls.status import FINAL, FOLLOWING, Direction, Reason, Status, Termination, reason_of

Outcome = Literal["changed", "repeated", "late", "impossible"]
"""What became of an update: only ``changed`` moved the state."""

MAX_STREAMS: Final = 64
"""Streams remembered of one call, the latest ones; a call has one, and one more for each resumption."""

_REACHED: Final[dict[Status, str]] = {"ringing": "ringing_at", "in-progress": "answered_at"}


@dataclass(frozen=True, slots=True)
class CallUpdate:
    """
    News of a call's state, from a status callback or from ourselves.

    Attributes:
        call_sid: ``CA…``.
        status: The state that was reached.
        at: When, by the sender's clock; aware.
        sequence: The sender's count of its callbacks for this call; ``None`` for our own news.
        duration_s: Length of the answered part in seconds; comes with the final state.
        sip_status: SIP answer code behind the final state.
        answered_by: Result of machine detection.

    """

    call_sid: str
    status: Status
    at: datetime
    sequence: int | None = None
    duration_s: int | None = None
    sip_status: int | None = None
    answered_by: str | None = None


@dataclass(slots=True)
class StreamCounters:
    """
    What a stream's protocol and timeline counted, inbound track.

    Attributes:
        frames: Media messages taken.
        samples: Length on the timeline at 8000 Hz, filled gaps included.
        gaps: How many times audio was missing.
        filled_ms: Silence put in for it, in milliseconds.
        duplicates: Media messages that came twice and were dropped.
        late: Media messages that came after their place was filled and were dropped.
        re_anchors: Jumps of the timestamp that were taken as they came, never filled.
        violations: Messages that broke the protocol and were ignored.
        underruns: How often the phone ran dry inside something that was being played.
        dropped_ms: Audio that listeners lost because they read too slowly, added up over all of them.
        first_audio_ms: From the socket's opening to the first media message; ``None`` if none came.

    """

    frames: int = 0
    samples: int = 0
    gaps: int = 0
    filled_ms: int = 0
    duplicates: int = 0
    late: int = 0
    re_anchors: int = 0
    violations: int = 0
    underruns: int = 0
    dropped_ms: int = 0
    first_audio_ms: int | None = None


@dataclass(slots=True)
class StreamRecord:
    """
    One media stream of a call.

    Attributes:
        sid: ``MZ…``.
        started_at: When ``start`` was accepted; aware UTC.
        ended_at: When it was over, ``None`` while it is not.
        end: Why it was over, as in ``StreamEnded.reason``.
        counters: What was counted.
        recordings: Files written of it, in the order in which they were opened.
        unfinished: Those of them that are still being written.
        sinks: What became of each sink: ``"running"``, ``"done"`` or an error's one line.
        losses: Milliseconds of audio that did not reach where they were to go, by destination.

    """

    sid: str
    started_at: datetime
    ended_at: datetime | None = None
    end: str | None = None
    counters: StreamCounters = field(default_factory=StreamCounters)
    recordings: list[Path] = field(default_factory=list)
    unfinished: set[Path] = field(default_factory=set)
    sinks: dict[str, str] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallbackCopy:
    """
    Who gets copies of a call's status callbacks.

    Attributes:
        url: http or https.
        events: Of ``initiated``, ``ringing``, ``answered`` and ``completed``; moot for machine detection.
        method: ``POST`` or ``GET``.

    """

    url: str
    events: frozenset[str] = frozenset({"completed"})
    method: Literal["GET", "POST"] = "POST"


@dataclass(slots=True)
class CallRecord:
    """
    One call.

    Attributes:
        sid: ``CA…``.
        direction: ``incoming`` or ``placed``.
        from_: Who calls, as the carrier writes it; empty when unknown.
        to: Who is called; empty when unknown.
        created_at: When it was first heard of; aware UTC. The other times are ``None`` until they come.
        status: The furthest state known.
        parameters: The custom parameters given for it.
        sinks: The sinks asked for in place of the configured ones; ``None`` if none were named.
        hints: Remarks on the request that did not stop it.
        streams: Its media streams, oldest first.
        duration_s: Length of the answered part in seconds, as the carrier counts it.
        status_copy: Who gets copies of the status callbacks.
        amd_copy: Who gets a copy of the machine-detection callback.
        copied: The callbacks that were copied already, so that a copy that comes back to us ends there.
        told: The states and results of machine detection that were told as events already.

    """

    sid: str
    direction: Direction
    from_: str
    to: str
    created_at: datetime
    status: Status = "queued"
    parameters: Mapping[str, str] = field(default_factory=dict)
    sinks: tuple[str, ...] | None = None
    hints: tuple[str, ...] = ()
    streams: list[StreamRecord] = field(default_factory=list)
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: int | None = None
    sip_status: int | None = None
    answered_by: str | None = None
    termination: Termination | None = None
    status_copy: CallbackCopy | None = None
    amd_copy: CallbackCopy | None = None
    copied: set[str] = field(default_factory=set, repr=False)
    told: set[str] = field(default_factory=set, repr=False)
    _last_sequence: int = field(default=-1, init=False, repr=False)
    _expected: Reason | None = field(default=None, init=False, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether a final state was reached."""
        return self.status in FINAL

    @property
    def recordings(self) -> list[Path]:
        """Every recording of every stream, oldest first."""
        return [path for stream in self.streams for path in stream.recordings]

    def apply(self, update: CallUpdate) -> Outcome:
        """
        Take news of the call's state, in whatever order it arrives.

        Callbacks are separate requests and overtake each other. An overtaken one (lower sequence number, or a
        state the table does not let follow) still supplies the time and details it alone knows, but the state
        never goes back. A final one always counts: nothing can have overtaken it that mattered.
        """
        sequence = self._last_sequence if update.sequence is None else update.sequence
        repeated = update.status == self.status
        overtaken = sequence < self._last_sequence and update.status not in FINAL
        self._last_sequence = max(self._last_sequence, sequence)
        moves = not overtaken and update.status in FOLLOWING[self.status]
        known = moves or repeated or self.status in FOLLOWING[update.status]
        if known:
            self._note(update)
        if moves:
            self.status = update.status
            if self.is_over:
                self._end(update)
            return "changed"
        if repeated:
            return "repeated"
        return "late" if known else "impossible"

    def _note(self, update: CallUpdate) -> None:
        """Fill in what was not known yet."""
        name = _REACHED.get(update.status, "ended_at" if update.status in FINAL else None)
        if name is not None and getattr(self, name) is None:
            setattr(self, name, update.at)
        self.duration_s = update.duration_s if self.duration_s is None else self.duration_s
        self.sip_status = update.sip_status if self.sip_status is None else self.sip_status
        self.answered_by = update.answered_by or self.answered_by

    def _end(self, update: CallUpdate) -> None:
        reason = reason_of(update.status, update.sip_status)
        self.termination = Termination(self._expected or reason if reason == "completed" else reason)

    def expect_end(self, reason: Reason) -> None:
        """
        Note why the call is about to end, as far as we know; the first one to say so is right.

        A carrier's ``completed`` does not tell who hung up; this does. A carrier that says more than that
        (busy, canceled, failed) is believed over it.
        """
        if self._expected is not None:
            return
        self._expected = reason
        if self.termination == Termination("completed"):
            # The carrier's callback was quicker than the stream's last message.
            self.termination = Termination(reason)

    def expect_nothing(self) -> None:
        """Take back what was expected, because it did not come about."""
        self._expected = None

    def finish(self, at: datetime, *, fallback: Reason = "unknown") -> None:
        """End a call of which no more news will come (no callbacks, shutdown); once over, nothing changes."""
        if self.is_over:
            return
        self.status = "completed" if self.answered_at or self.streams else "failed"
        self.ended_at = at
        if self.duration_s is None and self.answered_at is not None:
            self.duration_s = round((at - self.answered_at).total_seconds())
        self.termination = Termination(self._expected or fallback)

    def add_stream(self, stream: StreamRecord) -> None:
        """Remember a stream; above ``MAX_STREAMS`` the oldest is forgotten."""
        self.streams.append(stream)
        del self.streams[:-MAX_STREAMS]
