"""Hands a call to another program, in the protocol that program knows already: Twilio Media Streams."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import uuid4

import msgspec
from pydantic import Field
from websockets.asyncio.client import ClientConnection

from bridge.calls.call import AudioChunk, Call
from bridge.calls.event import DigitPressed, MarkReached, StreamEnded
from bridge.clock import Clock, SystemClock
from bridge.mediastream.messages import StartBody
from bridge.sinks.back_off import BackOff
from bridge.sinks.destination import SocketUrl, destination_of
from bridge.sinks.loss import Loss
from bridge.sinks.relay_connection import Refusal, open_connection
from bridge.sinks.relay_stream import RelayStream
from bridge.sinks.sink import sink

log = logging.getLogger(__name__)

_MAX_WAITING_DIGITS: Final = 100
_NOT_THERE: Final = "the application was not there to the end of the call"


@sink("relay")
async def relay(
    call: Call,
    *,
    url: SocketUrl,
    parameters: Mapping[str, str] | None = None,
    account_sid: str = "AC" + "0" * 32,
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0,
    attempts: Annotated[int, Field(ge=1)] = 20,
    ping_s: Annotated[float, Field(gt=0)] = 5.0,
    max_queue_ms: Annotated[int, Field(ge=20)] = 5000,
    hang_up: bool = False,
) -> None:
    """
    Connect the call to a Media Streams application, which then hears and speaks as if Twilio had called it.

    The application gets ``connected``, ``start``, ``media``, ``dtmf``, ``mark`` and ``stop`` and may send
    ``media``, ``mark`` and ``clear``. ``customParameters`` are the call's own and ``parameters`` (these win);
    ``account_sid`` stands in ``start``. The handshake is not signed.

    An application that closes normally (code 1000) is done: the call goes on without it, or with ``hang_up``
    is ended, as Twilio ends it. One that cannot be reached, breaks off, or for twice ``ping_s`` answers no
    ping is connected again with growing pauses, as a new stream of the same call, until ``attempts`` in a row
    have failed; a refusal by 4xx or a redirect is final. What is said meanwhile waits up to ``max_queue_ms``,
    then the oldest is lost; losses stand in the call's record under ``relay wss://host``.
    """
    target = Target(url, connect_timeout_s, attempts, ping_s, hang_up=hang_up)
    start = StartBody(
        accountSid=account_sid,
        callSid=call.sid,
        streamSid="",
        customParameters={**call.parameters, **(parameters or {})},
    )
    # Listening begins before anything is awaited, so that nothing is missed while it connects.
    chunks = call.listen(encoding="mulaw", chunk_ms=20, from_start=True, max_queue_ms=max_queue_ms)
    await Relay(call, chunks, target, start).run()


@dataclass(frozen=True, slots=True)
class Target:
    """The application and how patient we are with it; as the options of ``relay``."""

    url: str
    connect_timeout_s: float
    attempts: int
    ping_s: float
    hang_up: bool


class Relay:
    """
    One call and the streams, one after the other, that an application gets of it.

    Bound: 100 digits wait for the next stream; policy: the oldest goes.

    Args:
        call: Whose audio it is.
        chunks: The audio, μ-law in frames.
        target: Who gets it.
        start: What every ``start`` says, but for the stream's SID.

    """

    def __init__(
        self,
        call: Call,
        chunks: AsyncIterator[AudioChunk],
        target: Target,
        start: StartBody,
        *,
        clock: Clock | None = None,
        back_off: BackOff | None = None,
    ) -> None:
        self._call: Final = call
        self._chunks: Final = chunks
        self._target: Final = target
        self._start: Final = start
        self._clock: Final = clock or SystemClock()
        self._back_off: Final = back_off or BackOff()
        self._loss: Final = Loss(call, f"relay {destination_of(target.url)}")
        self._over: Final = asyncio.Event()
        self._stream: RelayStream | None = None
        self._digits: Final[deque[str]] = deque(maxlen=_MAX_WAITING_DIGITS)

    async def run(self) -> None:
        """Relay until the call ends, or the application takes its leave."""
        try:
            async with asyncio.TaskGroup() as group:
                following = group.create_task(self._follow())
                if not await self._converse():
                    async for chunk in self._chunks:
                        self._loss.add(chunk.dropped_ms + chunk.duration_ms, _NOT_THERE)
                following.cancel()
        except asyncio.CancelledError:
            await self._loss.add_rest(self._chunks, _NOT_THERE)
            raise
        if self._loss.lost_ms:
            log.warning("%s: %d ms of audio were lost in all", self._loss.destination, self._loss.lost_ms)

    async def _converse(self) -> bool:
        """Connect as often as it makes sense; false if what is left of the call has nowhere to go."""
        name, target, failures = self._loss.destination, self._target, 0
        while True:
            connection = await open_connection(target.url, timeout_s=target.connect_timeout_s)
            if isinstance(connection, Refusal):
                words = connection.fault
                failures = failures + 1 if connection.again else target.attempts
            else:
                stream = self._begin(connection)
                ending, words = await stream.run(self._over)
                self._stream = None
                if ending == "call_over":
                    return True
                if ending == "finished":
                    log.info("%s: the application has closed the stream", name)
                    if target.hang_up:
                        await self._call.hangup()
                    return True
                failures = 1 if stream.confirmed_ms else failures + 1
            if failures >= target.attempts:
                log.error("%s: %s; it is not tried again in this call", name, words)
                return False
            if failures == 1:
                self._back_off.reset()
            pause_s = self._back_off.next_s()
            log.warning("%s: %s; trying again in %.1f s", name, words, pause_s)
            if await self._is_over_within(pause_s):
                return False

    def _begin(self, connection: ClientConnection) -> RelayStream:
        """Give the application its next stream; what was pressed while it was away comes first."""
        # A stream that was broken is never resumed: as with Twilio, a new one has a SID of its own.
        start = msgspec.structs.replace(self._start, streamSid=f"MZ{uuid4().hex}")
        stream = RelayStream(
            self._call,
            self._chunks,
            connection,
            start,
            loss=self._loss,
            clock=self._clock,
            ping_s=self._target.ping_s,
        )
        while self._digits:
            stream.pressed(self._digits.popleft())
        self._stream = stream
        return stream

    async def _is_over_within(self, pause_s: float) -> bool:
        """Wait for the next attempt; true as soon as the call is over."""
        async with asyncio.TaskGroup() as group:
            pausing = group.create_task(self._clock.sleep_until_s(self._clock.now_s() + pause_s))
            ending = group.create_task(self._over.wait())
            await asyncio.wait([pausing, ending], return_when=asyncio.FIRST_COMPLETED)
            pausing.cancel()
            ending.cancel()
        return self._over.is_set()

    async def _follow(self) -> None:
        """Tell the stream what happens in the call; nothing here waits, so no event is missed."""
        try:
            async for event in self._call.events():
                if isinstance(event, DigitPressed):
                    if self._stream is None:
                        self._digits.append(event.digit)
                    else:
                        self._stream.pressed(event.digit)
                elif isinstance(event, MarkReached) and self._stream is not None:
                    self._stream.reached(event.name)
                elif isinstance(event, StreamEnded):
                    break
        finally:
            self._over.set()
