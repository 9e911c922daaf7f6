"""A call without a phone or a network: the real session, its carrier's end played by your test."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal
from uuid import uuid4

from bridge.audio.g711 import FRAME_BYTES, ulaw_silence
from bridge.mediastream.messages import StartBody
from bridge.mediastream.server_side import ServerStream
from bridge.mediastream.twilio_side import TwilioStream
from bridge.session.facts import CallFacts, SessionOptions
from bridge.session.session import Session
from bridge.sinks.sink import BoundSink
from bridge.testing.manual_clock import ManualClock, settle
from bridge.testing.recording_socket import RecordingSocket
from bridge.ticker import Ticker

_FRAME_MS: Final = 20
_FIRST_TIMESTAMP_MS: Final = 120
"""Twilio's streams do not begin at 0."""


class ScriptedCall:
    """
    One call, moved by hand.

    ::

        call = ScriptedCall()
        async with call.running(bound_sink):
            await call.speaks(pcm_as_ulaw)
            call.presses("1")
        assert call.outcomes == {"my-sink": "done"}

    Args:
        from_: Who calls.
        to: Who is called.
        direction: ``incoming`` or ``placed``.
        parameters: The stream's custom parameters.
        grace_s: Real seconds that sinks have after the end.

    Attributes:
        session: The call as sinks get it.
        clock: The session's; ``speaks`` turns it.
        socket: What was sent to the carrier.

    """

    def __init__(
        self,
        *,
        from_: str = "+12025550123",
        to: str = "+12025550199",
        direction: Literal["incoming", "placed"] = "incoming",
        parameters: Mapping[str, str] | None = None,
        grace_s: float = 5.0,
    ) -> None:
        start = StartBody("AC" + "0" * 32, f"CA{uuid4().hex}", f"MZ{uuid4().hex}")
        self.clock: Final = ManualClock()
        self.socket: Final = _Carrier(self)
        self._ticker: Final = Ticker(self.clock)
        self._twilio: Final = TwilioStream(start)
        self._stream: Final = ServerStream()
        for message in self._twilio.open():
            self._stream.receive(message)
        self._timestamp_ms = _FIRST_TIMESTAMP_MS
        self._skipped_chunks = 0
        self.session: Final = Session(
            CallFacts(start.callSid, from_, to, direction, parameters or {}),
            stream=self._stream,
            socket=self.socket,
            clock=self.clock,
            ticker=self._ticker,
            options=SessionOptions(grace_s=grace_s),
            hang_up=self._hang_up,
        )

    @property
    def outcomes(self) -> dict[str, str]:
        """What became of each sink: ``running``, ``done``, ``cancelled``, or its error."""
        return self.session.record.sinks

    @property
    def losses(self) -> dict[str, int]:
        """Milliseconds lost, by destination."""
        return self.session.record.losses

    @property
    def heard(self) -> bytes:
        """All μ-law that was sent to the phone, also what a ``clear`` took back."""
        media = [message for message in self.socket.sent if message["event"] == "media"]
        return b"".join(b64decode(message["media"]["payload"]) for message in media)

    @asynccontextmanager
    async def running(self, *sinks: BoundSink) -> AsyncIterator[asyncio.Task[None]]:
        """
        Run sinks on this call until they wait for something; gives the session's task.

        At the end the sinks act on what came last; then a call that is still going is hung up, and they are
        waited for. A sink in a thread acts when it can: wait for what it does before the block ends.
        """
        failure: Exception | None = None
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._ticker.run())
            run = group.create_task(self.session.run(sinks))
            try:
                await settle()
                yield run
            except Exception as error:  # noqa: BLE001  (the test's own: it must not come out as a group)
                failure = error
            await settle()
            self.ends()
            await asyncio.wait([run])
            ticking.cancel()
        if failure is not None:
            raise failure

    # What the phone does; once the call is over it does it to nobody

    async def speaks(self, payload: bytes) -> None:
        """Say μ-law, frame by frame, the clock turning with it."""
        for start in range(0, len(payload), FRAME_BYTES):
            self.sends(payload[start : start + FRAME_BYTES])
            await self.clock.advance(_FRAME_MS / 1000)

    async def is_silent(self, duration_ms: int) -> None:
        """Say silence."""
        await self.speaks(ulaw_silence(8 * duration_ms))

    def sends(self, payload: bytes) -> None:
        """One media message, at once and whatever its size; the clock stands."""
        if self.session.end_reason is not None:
            return
        message = self._twilio.media(payload, self._timestamp_ms)
        if self._skipped_chunks:
            # A gap shows in both of the message's numbers.
            chunk = self._twilio.sent_frames
            message = message.replace(
                b'"chunk":"%d"' % chunk, b'"chunk":"%d"' % (chunk + self._skipped_chunks), 1
            )
        self._timestamp_ms += len(payload) // 8
        self.takes(message)

    def repeats(self) -> None:
        """The carrier sends a frame that it has sent before; it is dropped."""
        self._timestamp_ms -= _FRAME_MS
        self._skipped_chunks -= 1
        self.sends(ulaw_silence(FRAME_BYTES))

    def skips(self, duration_ms: int) -> None:
        """Audio of this length never arrives; a multiple of 20."""
        self._timestamp_ms += duration_ms
        self._skipped_chunks += duration_ms // _FRAME_MS

    def presses(self, digit: str) -> None:
        """Press a digit."""
        if self.session.end_reason is None:
            self.takes(self._twilio.dtmf(digit))

    def ends(self) -> None:
        """Hang up, if nobody has yet: ``stop`` comes."""
        if self.session.end_reason is None:
            self.takes(self._twilio.stop())

    def breaks_off(self) -> None:
        """The media socket breaks without ``stop``."""
        self.session.end("lost")

    def takes(self, message: bytes) -> None:
        """Any message of the carrier's, as bytes."""
        self.session.take(self._stream.receive(message))

    def reaches(self, mark: str) -> None:
        """Bring a mark back, as the carrier does once all before it was played."""
        if self.session.end_reason is None:
            self.takes(self._twilio.mark(mark))

    async def _hang_up(self, sid: str) -> bool:  # noqa: ARG002  (there is but one call)
        self.ends()
        await settle()
        return True


class _Carrier(RecordingSocket):
    """Brings every mark back, in the loop's next turn."""

    def __init__(self, call: ScriptedCall) -> None:
        super().__init__()
        self._call: Final = call

    def send(self, message: bytes) -> bool:
        was_sent = super().send(message)
        sent = self.sent[-1]
        if sent["event"] == "mark":
            asyncio.get_running_loop().call_soon(self._call.reaches, sent["mark"]["name"])
        return was_sent
