"""A media socket's first moments: from the handshake to a session, or to a close with a reason."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.calls.socket import DirectSocket, Patience
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

_MEDIA: Final = '{"event":"media"'
"""How the messages begin that may wait; a peer that spells them otherwise has each read as it comes."""
_FRAME_MESSAGE_CHARACTERS: Final = 512
"""A frame of 20 ms takes 390; larger ones bring several frames, and are not many enough to wait."""


class Intake:
    """
    Takes one socket's messages: judged here until ``start`` is accepted, the session's from then on.

    Attributes:
        opened: Set once there is a session, or there will be none.
        session: The session, once ``start`` was accepted.
        patience: The messages that wait unread; as many as the session says.
        messages: How many messages came; it stands still when the peer has vanished.

    """

    __slots__ = (
        "_admit",
        "_media",
        "_media_run",
        "_socket",
        "_stream",
        "_taken",
        "opened",
        "patience",
        "session",
    )

    def __init__(self, socket: DirectSocket, admit: Admit) -> None:
        self.opened: Final = asyncio.Event()
        self.session: Session | None = None
        self._taken = 0
        self._media: Callable[[MediaBody], None] = lambda _: None
        self._media_run: Callable[[list[MediaBody]], None] = lambda _: None
        self.patience: Final = Patience(
            begins=_MEDIA, most_characters=_FRAME_MESSAGE_CHARACTERS, flush=self._take_waiting
        )
        self._socket = socket
        self._admit = admit
        self._stream: Final = ServerStream()

    @property
    def messages(self) -> int:
        """How many messages came; it stands still when the peer has vanished."""
        return self._taken + len(self.patience.waiting)

    def text(self, data: str) -> None:
        """One text message."""
        if not self.patience.keeps(data):
            self.read(data)

    def read(self, data: str) -> None:
        """One text message that does not wait; those that do are read before it."""
        if self.patience.waiting:
            self.patience.flush()
        self._taken += 1
        event = self._stream.receive(data)
        if type(event) is Media and self.session is not None:
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

    def _take_waiting(self) -> None:
        """Read what waits: mostly one run of frames, whose reading in one go finds its code and data warm."""
        waiting = self.patience.take()
        bodies = self._stream.receive_run(waiting)
        self._taken += len(bodies)
        self._media_run(bodies)
        for data in waiting[len(bodies) :]:
            self.read(data)

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
        audio = admitted.audio
        self._media, self._media_run, self.patience.flush = audio.media, audio.media_run, audio.flush
        audio.supply(pull=self._take_waiting, be_patient=self._be_patient)
        self.opened.set()

    def _be_patient(self, frames: int) -> None:
        self.patience.messages = frames

    def _refuse(self, code: int, reason: str) -> None:
        log.warning("media socket closed with %d: %s", code, reason)
        self._socket.close(code, reason)
        self.opened.set()
