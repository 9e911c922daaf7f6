"""A media socket's intake with the session behind it, as the media route makes them."""

from __future__ import annotations

from typing import Generic, TypeVar

from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import ServerStream
from bridge.mediastream.twilio_side import TwilioStream
from bridge.session.facts import CallFacts, SessionOptions
from bridge.session.session import Session
from bridge.testing import ManualClock, RecordingSocket
from bridge.ticker import Ticker
from bridge.web.intake import Intake

START = wire.StartBody("AC" + "0" * 32, "CA" + "1" * 32, "MZ" + "2" * 32)

C = TypeVar("C", bound=ManualClock)


class IntakeStage(Generic[C]):
    """An open stream: what its test sends goes into ``intake``, and ``session`` is what came of it."""

    def __init__(self, clock: C, socket: RecordingSocket, options: SessionOptions) -> None:
        self.clock = clock
        self.twilio = TwilioStream(START)
        self._socket = socket
        self._options = options
        self._sessions: list[Session] = []
        self.intake = Intake(socket, self._admit)
        for message in self.twilio.open():
            self.intake.text(message.decode())
        (self.session,) = self._sessions

    def _admit(self, start: wire.StartBody, stream: ServerStream) -> Session:
        async def hang_up(_sid: str) -> bool:
            return False

        session = Session(
            CallFacts(start.callSid),
            stream=stream,
            socket=self._socket,
            clock=self.clock,
            ticker=Ticker(self.clock),
            options=self._options,
            hang_up=hang_up,
        )
        self._sessions.append(session)
        return session
