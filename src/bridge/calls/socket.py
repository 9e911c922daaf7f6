"""What a session needs of a media socket, whichever server carries it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol


class DirectSocket(Protocol):
    """
    The sending half of one WebSocket, synchronous so that a frame costs no task wake-up.

    The receiving half is a callback the route attaches; see ``web/media_stream.py``.
    """

    @property
    def unsent_bytes(self) -> int:
        """What was given to ``send`` and has not left yet; playout holds above its bound."""
        ...

    @property
    def is_open(self) -> bool:
        """False once either side has closed."""
        ...

    def send(self, message: bytes) -> bool:
        """Send one text message; false if much waits for a slow peer, or the socket is closed."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Start the closing handshake with this code and reason (123 bytes at most); once."""
        ...


class Patience:
    """
    Text messages that may wait unread until several are there, or somebody looks.

    Args:
        begins: How the messages begin that may wait.
        most_characters: Longer ones do not wait.
        flush: Takes what waits; called when as many are there as may wait.

    Attributes:
        messages: How many may wait; with 1 none does.
        waiting: Those that do.

    """

    __slots__ = ("begins", "flush", "messages", "most_characters", "waiting")

    def __init__(self, *, begins: str, most_characters: int, flush: Callable[[], None]) -> None:
        self.begins: Final = begins
        self.most_characters: Final = most_characters
        self.flush = flush
        self.messages = 1
        self.waiting: list[str] = []

    def keeps(self, text: str) -> bool:
        """Keep this message if it may wait; ``server.frames`` does the same without the call."""
        if self.messages > 1 and len(text) <= self.most_characters and text.startswith(self.begins):
            self.waiting.append(text)
            if len(self.waiting) >= self.messages:
                self.flush()
            return True
        return False

    def take(self) -> list[str]:
        """What waits, oldest first; it waits no more."""
        waiting, self.waiting = self.waiting, []
        return waiting
