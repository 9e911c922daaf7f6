"""Marks: named points in the audio on its way to the phone, whose echo says that the phone got there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.session.segment import Segment

INTERNAL_MARK: Final = "bridge:"
"""Marks with this prefix are ours and never shown to anybody."""
BEGINNING_MARK: Final = f"{INTERNAL_MARK}begin-"
"""Those that stand before audio, where the phone was silent; all others stand behind it."""


@dataclass(slots=True)
class PendingMark:
    """A mark that was sent and has not come back."""

    segment: Segment | None
    user_name: str | None
    cleared: bool = False


@dataclass(slots=True)
class UserMark:
    """A user's mark that waits for its turn."""

    name: str
