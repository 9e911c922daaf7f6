"""A media socket's first moments: from the handshake to a session, or to a close with a reason."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.calls.socket import DirectSocket
from bridge.mediastream.messages import Media, MediaBody, Start, StartBody
from bridge.mediastream.server_side import ServerStream, Violation
from bridge.session.session import Session

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a ``start`` was not accepted: the close code and a sentence for the peer."""

    code: int
    reason: str


Admit = Callable[[StartBody, ServerStream], Session | Refusal]
"""Decides over a ``start``; makes the session."""


class Intake:
    """
    Takes one socket's messages: judged here until ``start`` is accepted, the session's from then on.

    Attributes:
        opened: Set once there is a session, or there will be none.
        session: The session, once ``start`` was accepted.
        messages: How many messages came; it stands still when the peer has vanished.

    """

    def __init__(self, socket: DirectSocket, admit: Admit) -> None:
        self.opened: Final = asyncio.Event()
        self.session: Session | None = None
        self.messages = 0
        self._media: Callable[[MediaBody], None] | None = None
        self._socket = socket
        self._admit = admit
        self._stream: Final = ServerStream()

    def text(self, data: bytes | str) -> None:
        """One text message."""
        self.messages += 1
        event = self._stream.receive(data)
        if type(event) is Media and self._media is not None:
            self._media(event.media)  # the one that matters for speed: straight to the audio path
            return
        session = self.session
        if session is not None:
            session.take(event)
            if type(event) is Violation and event.close_code is not None:
                session.end("lost")
                self._refuse(event.close_code, event.error.reason)
        elif type(event) is Start:
            self._start(event.start)
        elif type(event) is Violation and event.close_code is not None:
            self._refuse(event.close_code, event.error.reason)

    def binary(self, size_bytes: int) -> None:
        """A binary message: refused before ``start``, counted after it."""
        violation = self._stream.receive_binary(size_bytes)
        if self.session is not None:
            self.session.take(violation)
        elif violation.close_code is not None:
            self._refuse(violation.close_code, violation.error.reason)

    def gone(self) -> None:
        """The socket is closed, by whomever."""
        if self.session is not None:
            self.session.end("lost")
        self.opened.set()

    def _start(self, start: StartBody) -> None:
        admitted = self._admit(start, self._stream)
        if isinstance(admitted, Refusal):
            self._refuse(admitted.code, admitted.reason)
            return
        self.session = admitted
        self._media = admitted.audio.media
        self.opened.set()

    def _refuse(self, code: int, reason: str) -> None:
        log.warning("media socket closed with %d: %s", code, reason)
        self._socket.close(code, reason)
        self.opened.set()
