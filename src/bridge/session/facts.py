"""What a session is told when it begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from bridge.audio.speech import EnergyDetector, SpeechDetector
from bridge.mediastream.messages import StartBody

EndReason = Literal["stop", "lost", "hangup", "shutdown", "stalled"]
HangUp = Callable[[str], Awaitable[bool]]
"""Ends a call by REST, given its SID; false where that is not possible."""


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when its stream starts."""

    sid: str
    from_: str = ""
    to: str = ""
    direction: Literal["incoming", "placed"] = "incoming"
    parameters: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How every session behaves."""

    lead_ms: int = 200
    preroll_ms: int = 3000
    grace_s: float = 10.0
    speech_detector: Callable[[], SpeechDetector] = EnergyDetector
    """Makes the detector of a call whose events are read."""


class Identity:
    """Who talks to whom on which stream, as a sink sees it; see ``calls.Call``."""

    def __init__(self, facts: CallFacts, start: StartBody, started_at: datetime) -> None:
        self.facts: Final = facts
        self.start: Final = start
        self._started_at: Final = started_at

    @property
    def sid(self) -> str:
        return self.facts.sid

    @property
    def stream_sid(self) -> str:
        return self.start.streamSid

    @property
    def from_(self) -> str:
        return self.facts.from_

    @property
    def to(self) -> str:
        return self.facts.to

    @property
    def direction(self) -> Literal["incoming", "placed"]:
        return self.facts.direction

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.facts.parameters or {}

    @property
    def started_at(self) -> datetime:
        return self._started_at
