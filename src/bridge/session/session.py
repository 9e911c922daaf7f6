"""One live call: its stream's messages in, its audio and events out; what sinks know as ``Call``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from bridge.calls.call import Encoding, Playable, Playback, Track
from bridge.calls.event import CallEvent, DigitPressed, MarkFate, MarkReached, StreamEnded, StreamStarted
from bridge.calls.record import StreamRecord
from bridge.calls.socket import DirectSocket
from bridge.clock import Clock
from bridge.errors import CallEnded, CallReadOnly
from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import Event, ServerStream, Violation
from bridge.session.audio_path import AudioPath
from bridge.session.event_log import EventLog
from bridge.session.facts import CallFacts, EndReason, HangUp, SessionOptions
from bridge.session.hang_up import hang_up
from bridge.session.listener import Listener
from bridge.session.playout import INTERNAL_MARK, Playout
from bridge.session.segment import Segment
from bridge.session.speaking import PlayEncoding, Source, digit_tones, drive, pour
from bridge.session.supervisor import supervise
from bridge.sinks.sink import BoundSink
from bridge.ticker import Ticker

log = logging.getLogger(__name__)


class Session:
    """
    One live call; implements ``calls.Call``.

    Args:
        facts: Who talks to whom.
        stream: The protocol, already OPEN.
        socket: The way back to the carrier.
        hang_up: Ends the call by REST.

    """

    def __init__(
        self,
        facts: CallFacts,
        *,
        stream: ServerStream,
        socket: DirectSocket,
        clock: Clock,
        ticker: Ticker,
        options: SessionOptions,
        hang_up: HangUp,
    ) -> None:
        if stream.start is None:
            raise ValueError("a session needs an open stream")
        self.facts: Final = facts
        self.start: Final = stream.start
        self.stream: Final = stream
        self.record: Final = StreamRecord(stream.start.streamSid, clock.utc())
        self.audio: Final = AudioPath(preroll_ms=options.preroll_ms, on_first=self._note_first_audio)
        self.end_reason: EndReason | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._socket: Final = socket
        self._clock: Final = clock
        self._opened_s: Final = clock.now_s()
        self._grace_s: Final = options.grace_s
        self._hang_up: Final = hang_up
        self._hanging_up = False
        self._log: Final = EventLog()
        self._over: Final = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._playout: Final = Playout(
            stream=stream, socket=socket, clock=clock, ticker=ticker, lead_ms=options.lead_ms, observer=self
        )
        self._log.add(StreamStarted(1, 0, self.start.streamSid))

    # Facts, as a sink sees them

    @property
    def sid(self) -> str:
        return self.facts.sid

    @property
    def stream_sid(self) -> str:
        return self.start.streamSid

    @property
    def from_(self) -> str:
        return self.facts.from_

    @property
    def to(self) -> str:
        return self.facts.to

    @property
    def direction(self) -> Literal["incoming", "placed"]:
        return self.facts.direction

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.facts.parameters or {}

    @property
    def at_ms(self) -> int:
        """How far the inbound track has come."""
        return self.audio.inbound.position_samples // 8

    @property
    def started_at(self) -> datetime:
        return self.record.started_at

    # Messages of the stream; everything here is synchronous

    def take(self, event: Event) -> None:
        """Act on one message of the stream; nothing that comes after its end counts."""
        if self.end_reason is not None:
            return
        if type(event) is wire.Media:
            self.audio.media(event.media)
        elif type(event) is wire.Mark:
            if event.mark.name.startswith(INTERNAL_MARK):
                self._playout.echoed(event.mark.name)
        elif type(event) is wire.Dtmf:
            self._add(lambda number, at_ms: DigitPressed(number, at_ms, event.dtmf.digit))
        elif type(event) is wire.Stop:
            self.end("stop")
        elif type(event) is Violation:
            log.warning("message ignored (%s): %s", event.error.kind, event.error.reason)

    def end(self, reason: EndReason) -> None:
        """The stream is over: listeners get their last chunk, nothing more is heard."""
        if self.end_reason is not None:
            return
        self.end_reason = "hangup" if self._hanging_up and reason in ("stop", "lost") else reason
        self._playout.end()
        self._add(lambda number, at_ms: StreamEnded(number, at_ms, str(self.end_reason)))
        self._log.end()
        self.audio.end()
        self.record.ended_at = self._clock.utc()
        self.record.end = self.end_reason
        self.count()
        self.on_end()
        self._over.set()

    def count(self) -> None:
        """Bring the record's counters up to date."""
        self.record.counters = self.audio.counters(
            violations=self.stream.counters.violations,
            underruns=self._playout.underruns,
            first_audio_ms=self.record.counters.first_audio_ms,
        )

    def _note_first_audio(self) -> None:
        waited_s = self._clock.now_s() - self._opened_s
        self.record.counters.first_audio_ms = round(waited_s * 1000)

    def _add(self, build: Callable[[int, int], CallEvent]) -> None:
        self._log.add(build(self._log.next_number, self.at_ms))

    async def run(self, sinks: Sequence[BoundSink]) -> None:
        """
        Run the sinks until the stream has ended and they have finished, or their grace is over.

        Never raises for a sink's fault; cancellation ends the sinks at once.
        """
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            running = [
                group.create_task(
                    supervise(sink, self, self.record.sinks, self._clock), name=f"{self.sid} {sink.label}"
                )
                for sink in sinks
            ]
            await self._over.wait()
            if running:
                _, late = await asyncio.wait(running, timeout=self._grace_s)
                for task in late:
                    log.warning(
                        "%s is cancelled: not finished %g s after the call", task.get_name(), self._grace_s
                    )
                    task.cancel()
            self._tasks = None

    # What sinks may ask for

    def listen(
        self,
        track: Track = "inbound",
        *,
        rate_hz: int = 8000,
        chunk_ms: int = 20,
        encoding: Encoding = "pcm16",
        from_start: bool = False,
        max_queue_ms: int = 5000,
    ) -> Listener:
        listener = self.audio.listen(
            track,
            rate_hz=rate_hz,
            chunk_ms=chunk_ms,
            encoding=encoding,
            from_start=from_start,
            max_queue_ms=max_queue_ms,
        )
        if self.end_reason is not None:
            listener.end()
        return listener

    async def play(
        self,
        audio: Playable | AsyncIterator[Playable],
        *,
        rate_hz: int = 8000,
        encoding: PlayEncoding = "pcm16",
        max_queue_ms: int | None = None,
        interruptible: bool = True,
    ) -> Playback:
        group = self._check_writable()
        source = Source(encoding, rate_hz)
        segment = Segment(interruptible=interruptible, max_queue_ms=max_queue_ms)
        self._playout.add(segment)
        if isinstance(audio, Listener) and audio.is_payload:
            pour(audio, segment, self._playout)
        elif isinstance(audio, AsyncIterator):
            group.create_task(drive(audio, segment, self._playout, source), name=f"{self.sid} play")
        else:
            segment.put(source.to_ulaw(audio) + source.finish())
            segment.complete = True
            self._playout.release()
        return segment

    async def clear(self) -> None:
        self._check_writable()
        self._playout.clear()

    async def mark(self, name: str) -> None:
        self._check_writable()
        self._playout.mark(name)

    async def send_digits(self, digits: str) -> None:
        await self.play(digit_tones(digits), encoding="mulaw")

    def add_recording(self, path: Path) -> None:
        self.record.recordings.append(path)
        self.record.unfinished.add(path)

    def finish_recording(self, path: Path) -> None:
        self.record.unfinished.discard(path)

    def events(self) -> AsyncIterator[CallEvent]:
        return self._log.read()

    async def hangup(self, *, after_played: bool = False) -> None:
        if after_played and self.end_reason is None:
            idle = asyncio.Event()
            self._playout.when_idle(idle.set)
            await idle.wait()
        if self.end_reason is not None:
            return
        self._hanging_up = True
        await hang_up(self.sid, rest=self._hang_up, over=self._over, socket=self._socket)

    def close(self, reason: EndReason) -> None:
        """End the stream from our side: listeners finish, the socket is closed."""
        self.end(reason)
        self._socket.close(1000, "call hung up" if reason == "hangup" else "server stops")

    def _check_writable(self) -> asyncio.TaskGroup:
        if self.end_reason is not None or self._tasks is None:
            raise CallEnded(f"call {self.sid} is over")
        if "outbound" in self.start.tracks:
            # Only <Start><Stream> sends that track, and it is one-way: sending into it is error 31924.
            raise CallReadOnly(f"call {self.sid}: its stream is one-way, nothing can be played")
        return self._tasks

    # What the playout tells (PlayoutObserver)

    def heard(self, payload: bytes) -> None:
        self.audio.sent.heard(payload)

    def cut(self) -> None:
        self.audio.sent.cut()

    def reached(self, name: str, fate: MarkFate) -> None:
        self._add(lambda number, at_ms: MarkReached(number, at_ms, name, fate))

    def stalled(self) -> None:
        if self.end_reason is None:
            log.warning("the peer has read nothing for 30 s; closing its stream")
            self.end("stalled")
            self._socket.close(1008, "not reading: nothing could be sent for 30 s")
