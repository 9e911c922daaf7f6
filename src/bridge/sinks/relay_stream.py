"""One media stream to an application: Twilio's end of the protocol, played by us for a call of our own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final, Literal

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bridge.calls.call import AudioChunk, Call
from bridge.calls.speaker import Speaker
from bridge.clock import Clock
from bridge.errors import CallEnded, CallError, CallReadOnly
from bridge.mediastream import messages as wire
from bridge.mediastream.twilio_side import Fault, TwilioStream
from bridge.sinks.loss import Loss
from bridge.sinks.relay_connection import close_connection

log = logging.getLogger(__name__)

MAX_QUEUED_MS: Final = 600_000
"""What an application may have queued: Twilio's ten minutes (https://www.twilio.com/docs/api/errors/31931)."""

_MAX_WAITING_MESSAGES: Final = 1000
_FINISHED: Final = frozenset({1000, 1005})
"""Close codes of an application that is done (RFC 6455 section 7.4.1); 1001 and 1012 are restarts."""

Ending = Literal["call_over", "finished", "broken"]
"""The call ended and ``stop`` was sent; the application closed normally; anything else."""


class RelayStream:
    """
    One connection, from ``connected`` to its close.

    Bound: 1,000 marks and digits may wait for an application that does not read; policy: more are dropped.
    Audio waits in the listener and nowhere else.

    Args:
        call: Speaks and hears.
        chunks: Its audio in μ-law; what is not taken by the end is the next stream's.
        connection: Open.
        start: What the ``start`` message says.
        loss: Told of audio that was lost on the way.
        ping_s: So often it asks whether the application is alive; one silent for twice that is given up.

    Attributes:
        confirmed_ms: Audio that has arrived for certain.

    """

    def __init__(
        self,
        call: Call,
        chunks: AsyncIterator[AudioChunk],
        connection: ClientConnection,
        start: wire.StartBody,
        *,
        loss: Loss,
        clock: Clock,
        ping_s: float,
    ) -> None:
        self.confirmed_ms = 0.0
        self._call: Final = call
        self._chunks: Final = chunks
        self._connection: Final = connection
        self._protocol: Final = TwilioStream(start)
        self._loss: Final = loss
        self._clock: Final = clock
        self._ping_s: Final = ping_s
        self._prefix: Final = f"{start.streamSid}/"
        self._speaker: Final = Speaker(
            call, encoding="mulaw", on_cleared=self.reached, max_queue_ms=MAX_QUEUED_MS
        )
        self._waiting: Final[asyncio.Queue[Callable[[], bytes]]] = asyncio.Queue(_MAX_WAITING_MESSAGES)
        self._turn: Final = asyncio.Lock()
        self._sent_ms = 0.0
        self._stopped = False
        self._told: Final[set[str]] = set()
        self._fault = ""

    # Told by the relay

    def pressed(self, digit: str) -> None:
        """The phone sent a digit."""
        self._send_soon(lambda: self._protocol.dtmf(digit))

    def reached(self, name: str) -> None:
        """A mark of the call was reached or cleared; those of others are none of ours."""
        if name.startswith(self._prefix):
            own = name.removeprefix(self._prefix)
            self._send_soon(lambda: self._protocol.mark(own))

    def _send_soon(self, build: Callable[[], bytes]) -> None:
        try:
            self._waiting.put_nowait(build)
        except asyncio.QueueFull:
            self._tell("the application does not read; marks and digits for it are dropped")

    # Life

    async def run(self, over: asyncio.Event) -> tuple[Ending, str]:
        """
        Talk until the call or the connection ends; the connection is closed after it.

        Args:
            over: Set when the call has ended and its last digit was told.

        Returns:
            How it ended, and in words why if it ended otherwise than with the call.

        """
        try:
            async with asyncio.TaskGroup() as group:
                work = (
                    self._send_audio(over),
                    self._send_messages(),
                    self._speak(),
                    self._ask_for_life(),
                )
                try:
                    for message in self._protocol.open():
                        await self._connection.send(message, text=True)
                except ConnectionClosed:
                    for one in work:
                        one.close()
                else:
                    tasks = [group.create_task(one) for one in work]
                    await self._receive()
                    for task in tasks:
                        task.cancel()
        finally:
            await close_connection(self._connection, 1001)
            ending = self._ending()
            if ending == "broken":
                why = self._fault or "the connection broke"
                self._loss.add(self._sent_ms - self.confirmed_ms, why)
        return ending, self._words()

    def _ending(self) -> Ending:
        code = self._connection.close_code
        if self._stopped and code != 1006:
            return "call_over"
        return "finished" if code in _FINISHED and not self._fault else "broken"

    def _words(self) -> str:
        reason = f" {self._connection.close_reason!r}" if self._connection.close_reason else ""
        return self._fault or f"the connection ended with code {self._connection.close_code}{reason}"

    # To the application

    async def _send(self, build: Callable[[], bytes], audio_ms: float = 0.0) -> None:
        # Built and sent in one turn, so that sequenceNumber counts in the order of the wire.
        async with self._turn:
            self._sent_ms += audio_ms
            await self._connection.send(build(), text=True)

    async def _send_audio(self, over: asyncio.Event) -> None:
        first_ms: int | None = None
        try:
            async for chunk in self._chunks:
                self._loss.add(chunk.dropped_ms, "the application reads too slowly, or was away too long")
                first_ms = chunk.start_ms if first_ms is None else first_ms
                await self._send(self._media(chunk, chunk.start_ms - first_ms), chunk.duration_ms)
            await over.wait()
            await self._waiting.join()
            await self._send(self._protocol.stop)
            self._stopped = True
            await close_connection(self._connection, 1000)
        except ConnectionClosed:
            return  # _receive sees it too, and says how

    def _media(self, chunk: AudioChunk, timestamp_ms: int) -> Callable[[], bytes]:
        return lambda: self._protocol.media(chunk.data, timestamp_ms)

    async def _send_messages(self) -> None:
        try:
            while True:
                build = await self._waiting.get()
                await self._send(build)
                self._waiting.task_done()
        except ConnectionClosed:
            return

    async def _ask_for_life(self) -> None:
        try:
            while True:
                await self._clock.sleep_until_s(self._clock.now_s() + self._ping_s)
                sent_ms = self._sent_ms
                # Sending the ping waits, too, where the application does not read.
                async with asyncio.timeout(2 * self._ping_s):
                    await (await self._connection.ping())
                # Pings are answered in their turn, so all that was sent before it has arrived.
                self.confirmed_ms = sent_ms
                self._loss.arrived()
        except TimeoutError:
            self._fault = f"the application has not answered a ping for {2 * self._ping_s:g} s"
            self._connection.transport.abort()  # nobody is there to answer a close frame either
        except ConnectionClosed:
            return

    # From the application

    async def _receive(self) -> None:
        try:
            async for message in self._connection:
                if isinstance(message, bytes):
                    await self._take(self._protocol.receive_binary())
                else:
                    await self._take(self._protocol.receive(message))
        except ConnectionClosed:
            return

    async def _take(self, event: wire.PlayMedia | wire.SetMark | wire.Clear | Fault) -> None:
        if isinstance(event, wire.PlayMedia):
            if not self._speaker.put(event.media.payload):
                self._tell("audio of the application is refused: ten minutes are queued (31931)")
        elif isinstance(event, wire.SetMark):
            if not self._speaker.mark(self._prefix + event.mark.name):
                self._tell("a mark of the application is refused: too many wait")
        elif isinstance(event, wire.Clear):
            try:
                await self._speaker.clear()
            except CallError:
                return  # over, or one-way: there is nothing to stop
        elif event.first:
            log.warning("%s: message ignored (%d): %s", self._loss.destination, event.code, event.message)

    async def _speak(self) -> None:
        try:
            await self._speaker.run()
        except CallReadOnly:
            log.warning("%s: the stream is one-way, the application is not heard", self._loss.destination)
        except CallEnded:
            return

    def _tell(self, text: str) -> None:
        """Say something once."""
        if text not in self._told:
            self._told.add(text)
            log.warning("%s: %s", self._loss.destination, text)
