"""What a session is told when it begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

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
