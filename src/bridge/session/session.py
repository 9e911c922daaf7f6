"""One live call: its stream's messages in, its audio and events out; what sinks know as ``Call``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from bridge.calls.call import Encoding, Playable, Playback, Track
from bridge.calls.event import (
    CallEvent,
    DigitPressed,
    MachineDetected,
    MarkFate,
    MarkReached,
    StateChanged,
    StreamEnded,
    StreamStarted,
)
from bridge.calls.record import StreamRecord
from bridge.calls.socket import DirectSocket
from bridge.clock import Clock
from bridge.errors import CallEnded, CallReadOnly
from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import Event, ServerStream, Violation
from bridge.session.audio_path import AudioPath
from bridge.session.event_log import EventLog
from bridge.session.facts import CallFacts, EndReason, HangUp, Identity, SessionOptions
from bridge.session.hang_up import hang_up
from bridge.session.listener import Listener
from bridge.session.live_voice import LiveVoice
from bridge.session.marks import INTERNAL_MARK
from bridge.session.playout import Playout
from bridge.session.segment import Segment
from bridge.session.speaking import PlayEncoding, Source, digit_tones, drive, pour
from bridge.session.speech import speech_watch
from bridge.session.supervisor import run_sinks
from bridge.sinks.sink import BoundSink
from bridge.ticker import Ticker

log = logging.getLogger(__name__)


class Session(Identity):
    """
    One live call; implements ``calls.Call``.

    Args:
        facts: Who talks to whom.
        stream: The protocol, already OPEN.
        socket: The way back to the carrier.
        hang_up: Ends the call by REST.
        publish: Is told every event of the call.

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
        publish: Callable[[CallEvent], None] = lambda _: None,
    ) -> None:
        if stream.start is None:
            raise ValueError("a session needs an open stream")
        super().__init__(facts, stream.start, clock.utc())
        self.stream: Final = stream
        self.record: Final = StreamRecord(self.stream_sid, self.started_at)
        self.audio: Final = AudioPath(
            preroll_ms=options.preroll_ms,
            both_sent="outbound" in stream.start.tracks,
            on_first=self._note_first_audio,
            number=int(self.stream_sid[-8:], 16),
        )
        self.end_reason: EndReason | None = None
        self.on_end: Callable[[], None] = lambda: None
        self._socket: Final = socket
        self._clock: Final = clock
        self._opened_s: Final = clock.now_s()
        self._grace_s: Final = options.grace_s
        self._hang_up: Final = hang_up
        self._hanging_up = False
        self._log: Final = EventLog(publish)
        self._over: Final = asyncio.Event()
        self._new_detector: Final = options.speech_detector
        self._tasks: asyncio.TaskGroup | None = None
        self._playout: Final = Playout(
            stream=stream,
            socket=socket,
            clock=clock,
            ticker=ticker,
            lead_ms=options.lead_ms,
            track=self.audio.sent,
            observer=self,
        )
        self._happened(StreamStarted, self.start.streamSid)

    @property
    def at_ms(self) -> int:
        """How far the inbound track has come."""
        return self.audio.position_samples // 8

    # Messages of the stream; everything here is synchronous

    def take(self, event: Event) -> None:
        """Act on one message of the stream; nothing that comes after its end counts."""
        if self.end_reason is not None:
            return
        if type(event) is wire.Media:
            self.audio.media(event.media)
        elif type(event) is wire.Mark and event.mark.name.startswith(INTERNAL_MARK):
            self._playout.echoed(event.mark.name)
        elif type(event) is wire.Dtmf:
            self._happened(DigitPressed, event.dtmf.digit)
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
        self._happened(StreamEnded, self.end_reason)
        self._log.end()
        self.audio.end()
        self.record.ended_at = self._clock.utc()
        self.record.end = self.end_reason
        self.count()
        self.on_end()
        self._over.set()

    def count(self) -> None:
        """Bring the record's counters up to date."""
        self.audio.flush()  # what waits unread may be wrong
        self.record.counters = self.audio.counters(
            violations=self.stream.counters.violations,
            underruns=self._playout.underruns,
            first_audio_ms=self.record.counters.first_audio_ms,
        )

    def _note_first_audio(self) -> None:
        self.record.counters.first_audio_ms = round((self._clock.now_s() - self._opened_s) * 1000)

    def _happened(self, kind: Callable[..., CallEvent], *details: object) -> None:
        self._log.add(lambda number: kind(number, self.at_ms, *details))

    # What the carrier tells by other ways than the stream

    def note_status(self, status: str) -> None:
        """The carrier reports the call's state."""
        self._happened(StateChanged, status)

    def note_answered_by(self, answered_by: str) -> None:
        """Machine detection has a result."""
        self._happened(MachineDetected, answered_by)

    async def run(self, sinks: Sequence[BoundSink]) -> None:
        """
        Run the sinks until the stream has ended and they have finished, or their grace is over.

        Never raises for a sink's fault; cancellation ends the sinks at once.
        """
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            await run_sinks(
                sinks,
                self,
                group=group,
                record=self.record,
                over=self._over,
                clock=self._clock,
                grace_s=self._grace_s,
            )
            self._tasks = None
        self.audio.forget()

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
            voice = LiveVoice(
                segment,
                self._playout,
                send=self._socket.send,
                encode=self.stream.play,
                now_s=self._clock.now_s,
            )
            pour(audio, voice, self._playout)
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

    def add_loss(self, destination: str, lost_ms: int) -> None:
        losses = self.record.losses
        losses[destination] = losses.get(destination, 0) + lost_ms

    def events(self) -> AsyncIterator[CallEvent]:
        if not self.audio.is_watched:  # only who reads events pays for finding speech
            self.audio.watch(speech_watch(self._new_detector(), self._happened))
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

    def reached(self, name: str, fate: MarkFate) -> None:
        self._happened(MarkReached, name, fate)

    def stalled(self) -> None:
        if self.end_reason is None:
            log.warning("the peer has read nothing for 30 s; closing its stream")
            self.end("stalled")
            self._socket.close(1008, "not reading: nothing could be sent for 30 s")
