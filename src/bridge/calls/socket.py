"""What a session needs of a media socket, whichever server carries it."""

from __future__ import annotations

from typing import Protocol


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
