"""A media socket that remembers."""

from __future__ import annotations

import json
from typing import Any


class RecordingSocket:
    """
    A ``DirectSocket`` that keeps what was sent.

    Attributes:
        sent: The messages, decoded.
        closed: The code and reason of the close, or ``None``.
        unsent_bytes: Set it to play a peer that does not read.

    """

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.unsent_bytes = 0

    @property
    def is_open(self) -> bool:
        return self.closed is None

    def send(self, message: bytes) -> bool:
        self.sent.append(json.loads(message))
        return not self.unsent_bytes

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    def events(self) -> list[str]:
        """The kinds of the messages sent, in order."""
        return [message["event"] for message in self.sent]
