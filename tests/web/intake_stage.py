"""A media socket's intake with the session behind it, as the media route makes them."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from picows import WSMsgType

from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import ServerStream
from bridge.mediastream.twilio_side import TwilioStream
from bridge.server.frames import Frames
from bridge.session.facts import CallFacts, SessionOptions
from bridge.session.session import Session
from bridge.testing import ManualClock, RecordingSocket
from bridge.ticker import Ticker
from bridge.web.intake import Intake

START = wire.StartBody("AC" + "0" * 32, "CA" + "1" * 32, "MZ" + "2" * 32)


class TextFrame:
    """A whole text message, as the frame parser gives it."""

    msg_type, fin, rsv1, rsv2, rsv3 = WSMsgType.TEXT, True, False, False, False

    def __init__(self, text: str) -> None:
        self.get_payload_as_utf8_text = text.__str__


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
        handler: Any = self.intake
        self._frames = Frames(handler, wire.MAX_MESSAGE_BYTES)
        self._frames.on_text, self._frames.patience = self.intake.read, self.intake.patience

    def framed(self, message: str) -> None:
        """Send a message the way it comes on our own server: as a frame."""
        frame: Any = TextFrame(message)
        self._frames.on_ws_frame(self._frames.transport, frame)  # type: ignore[arg-type]

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
