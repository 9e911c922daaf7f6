"""Events as JSON, the same on every socket and stream: ``docs/reference/events.schema.json``."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from bridge.calls.event import (
    CallEvent,
    DigitPressed,
    MachineDetected,
    MarkReached,
    SpeechStarted,
    SpeechStopped,
    StateChanged,
    StreamEnded,
    StreamStarted,
)

VERSION: Final = 1
"""Of the shape of everything our sockets say; a field may be added without a new one."""

NAMES: Final[dict[type[CallEvent], str]] = {
    StreamStarted: "stream-started",
    StreamEnded: "stream-ended",
    DigitPressed: "dtmf",
    MarkReached: "mark",
    SpeechStarted: "speech-started",
    SpeechStopped: "speech-stopped",
    MachineDetected: "amd",
    StateChanged: "state",
}


def event_json(event: CallEvent) -> dict[str, object]:
    """Give an event's members, its name first."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"event": NAMES[type(event)], **values}
