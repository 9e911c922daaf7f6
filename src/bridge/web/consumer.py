"""One program that hears a call and may speak in it, by a WebSocket."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

from starlette.websockets import WebSocket

from bridge.calls.event import StreamEnded
from bridge.calls.event_json import event_json
from bridge.calls.speaker import Speaker
from bridge.clock import Clock
from bridge.errors import CallError, CallReadOnly, InvalidField, ListenerOverflow
from bridge.session.listener import Listener
from bridge.session.session import Session
from bridge.web.audio_commands import Clear, Command, Digits, HangUp, PlayMark, read_command
from bridge.web.audio_query import AudioQuery
from bridge.web.audio_wire import AudioWire, error, error_of, hello

TAKE_LEAVE_S: Final = 10.0
"""So long a program may take to read the rest after the stream has ended."""

_GOOD_ORDER: Final = frozenset({1000, 1001})
"""RFC 6455 section 7.4.1: who closes so has finished, and what it said last is still played."""

Farewell = tuple[int, str]
"""A close code and its reason."""


class Consumer:
    """
    One accepted socket.

    A program that does not read costs the call nothing: its own listener drops its oldest audio, and only the
    tasks of this socket wait for it.
    """

    def __init__(self, websocket: WebSocket, session: Session, query: AudioQuery, clock: Clock) -> None:
        self._websocket: Final = websocket
        self._session: Final = session
        self._query: Final = query
        self._clock: Final = clock
        self._wire: Final = AudioWire(websocket)
        self._speaker: Final = Speaker(
            session,
            rate_hz=query.spoken_rate_hz,
            encoding=query.spoken_encoding,
            on_cleared=lambda name: session.reached(name, "cleared"),
        )
        self._is_mute = False
        self._left_code: int | None = None
        self._ends_asked: set[bool] = set()

    async def serve(self) -> None:
        """
        Talk until the stream ends or the program leaves.

        What outlives the socket: an end of the call that was asked for, and what a program that left in good
        order has said last.
        """
        async with asyncio.TaskGroup() as lasting:
            over = lasting.create_task(self._wait_for_end())
            speaking = lasting.create_task(self._speak())
            farewell = await self._exchange(over, lasting)
            if farewell is not None:
                await self._wire.close(*farewell)
            if self._left_code not in _GOOD_ORDER:
                self._speaker.forget()
            handing = lasting.create_task(self._speaker.handed_over())
            await asyncio.wait({over, handing}, return_when=asyncio.FIRST_COMPLETED)
            self._speaker.forget()
            for task in (over, speaking, handing):
                task.cancel()

    async def _exchange(self, over: asyncio.Task[None], lasting: asyncio.TaskGroup) -> Farewell | None:
        """Run everything that ends with the socket; ``None`` if the program has closed it."""
        async with aclosing(self._listen()) as listener, asyncio.TaskGroup() as group:
            await self._wire.tell(hello(self._session, self._query, listener.start_ms))
            hearing = group.create_task(self._send_audio(listener))
            telling = group.create_task(self._send_events(hearing))
            reading = group.create_task(self._read(lasting))
            late = group.create_task(self._wait_until_late(over))
            await asyncio.wait({telling, reading, late}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done() and telling.result() is None:
                # The program is gone: what it has sent before is still taken.
                await asyncio.wait({reading, late}, return_when=asyncio.FIRST_COMPLETED)
            for task in (hearing, telling, reading, late):
                task.cancel()
        if not reading.cancelled():
            return None
        return (1008, "not reading") if telling.cancelled() else telling.result()

    def _listen(self) -> Listener:
        query = self._query
        return self._session.listen(
            query.track,
            rate_hz=query.rate_hz,
            chunk_ms=query.chunk_ms,
            encoding=query.encoding,
            from_start=query.from_start,
        )

    # What ends a conversation

    async def _wait_for_end(self) -> None:
        async for _ in self._session.events():
            pass

    async def _wait_until_late(self, over: asyncio.Task[None]) -> None:
        await asyncio.wait({over})
        await self._clock.sleep_until_s(self._clock.now_s() + TAKE_LEAVE_S)

    # To the program

    async def _send_audio(self, listener: Listener) -> None:
        async for chunk in listener:
            if not await self._wire.give(chunk):
                return

    async def _send_events(self, hearing: asyncio.Task[None]) -> Farewell | None:
        """Tell all events, the last one behind the last chunk; ``None`` if the program is gone."""
        try:
            async for event in self._session.events():
                if isinstance(event, StreamEnded):
                    await asyncio.wait({hearing})
                if not await self._wire.tell(event_json(event)):
                    return None
        except ListenerOverflow as fault:
            return 1008, str(fault)
        reason = self._session.end_reason
        return (1012, "server stops") if reason == "shutdown" else (1000, f"stream ended: {reason}")

    # From the program

    async def _read(self, lasting: asyncio.TaskGroup) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if text is None:
                answer = self._take_audio(message["bytes"])
            else:
                answer = await self._take_command(text, lasting)
            if answer is not None:
                await self._wire.tell(answer)
        self._left_code = message.get("code")

    def _take_audio(self, audio: bytes) -> dict[str, object] | None:
        if self._is_mute:
            return None  # told once; a voice has fifty messages a second
        if self._query.spoken_encoding == "pcm16" and len(audio) % 2:
            return error("bad_audio", f"{len(audio)} bytes are no whole number of 16-bit samples.")
        if not self._speaker.put(audio):
            return error("queue_full", f"two minutes wait to be played; these {len(audio)} bytes are lost.")
        return None

    async def _take_command(self, text: str, lasting: asyncio.TaskGroup) -> dict[str, object] | None:
        try:
            return await self._obey(read_command(text), lasting)
        except (InvalidField, CallError) as fault:
            return error_of(fault)

    async def _obey(self, command: Command, lasting: asyncio.TaskGroup) -> dict[str, object] | None:
        taken = True
        match command:
            case Clear():
                await self._speaker.clear()
            case PlayMark(name):
                taken = self._speaker.mark(name)
            case Digits(digits):
                taken = self._speaker.digits(digits)
            case HangUp(after_played) if after_played not in self._ends_asked:
                self._ends_asked.add(after_played)
                lasting.create_task(self._end_call(after_played=after_played))
            case HangUp():
                pass  # asked for already
        return None if taken else error("queue_full", "a thousand marks and digits wait already.")

    # Into the call

    async def _speak(self) -> None:
        while True:
            try:
                await self._speaker.run()
            except CallError as fault:
                self._is_mute = isinstance(fault, CallReadOnly)
                self._speaker.forget()
                if self._session.end_reason is None:
                    await self._wire.tell(error_of(fault))

    async def _end_call(self, *, after_played: bool) -> None:
        if after_played:
            await self._speaker.handed_over()
        await self._session.hangup(after_played=after_played)
