"""What can happen in a call besides audio: numbered, placed on the stream's own time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MarkFate = Literal["played", "cleared"]


@dataclass(frozen=True, slots=True)
class CallEvent:
    """
    Common to all events.

    Attributes:
        number: Counts from 1 in each call, without holes.
        at_ms: Milliseconds since the stream's first audio.

    """

    number: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class DigitPressed(CallEvent):
    """The phone sent a digit: 0–9, *, #, A–D."""

    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached(CallEvent):
    """A mark set with ``call.mark(name)`` was reached: all before it was played, or cleared."""

    name: str
    fate: MarkFate


@dataclass(frozen=True, slots=True)
class SpeechStarted(CallEvent):
    """The phone's side began to talk; told while somebody reads the call's events."""


@dataclass(frozen=True, slots=True)
class SpeechStopped(CallEvent):
    """
    The phone's side has stopped talking.

    Attributes:
        spoken_ms: How long it talked.

    """

    spoken_ms: int


@dataclass(frozen=True, slots=True)
class MachineDetected(CallEvent):
    """
    Machine detection has a result.

    Attributes:
        answered_by: ``human``, ``machine_start``, ``machine_end_beep`` … as Twilio writes it.

    """

    answered_by: str


@dataclass(frozen=True, slots=True)
class StateChanged(CallEvent):
    """
    The carrier reports the call's state.

    Attributes:
        status: ``in-progress``, ``completed`` … as in the call's record.

    """

    status: str


@dataclass(frozen=True, slots=True)
class StreamStarted(CallEvent):
    """The media stream is open; always number 1."""

    stream_sid: str


@dataclass(frozen=True, slots=True)
class StreamEnded(CallEvent):
    """
    The media stream is over; always the last event.

    Attributes:
        reason: ``stop`` (the carrier ended it), ``lost`` (no stop came), ``hangup`` (we did),
            ``shutdown`` (this server stopped) or ``stalled`` (the peer stopped reading).

    """

    reason: str
