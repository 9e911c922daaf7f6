"""
Audio on its way to the phone: sent ahead of real time by a stated lead, never more.

Twilio queues what it gets and plays it in real time, so a short lead keeps ``clear`` quick and the
ledger true. What fits the lead goes out at once, inside ``put``; the rest is released by the ticker in
larger messages. Each segment and mark is closed by the echo of an internal mark behind it:
https://www.twilio.com/docs/voice/media-streams/websocket-messages#send-a-mark-message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from bridge.calls.event import MarkFate
from bridge.calls.socket import DirectSocket
from bridge.clock import Clock
from bridge.mediastream.server_side import ServerStream
from bridge.session.ledger import RATE_HZ, Ledger, Piece
from bridge.session.live_voice import LiveVoice
from bridge.session.marks import BEGINNING_MARK, INTERNAL_MARK, PendingMark, UserMark
from bridge.session.segment import Segment
from bridge.session.track import OutboundTrack
from bridge.ticker import FRAME_S, Ticker

_HOLD_ABOVE_BYTES: Final = 256 * 1024
_STALL_S: Final = 30.0
_ROUNDING_S: Final = 1e-6
_MESSAGE_SAMPLES: Final = 800
"""Queued audio travels in pieces of 100 ms, a tenth of the cost of single frames."""


class PlayoutObserver(Protocol):
    """Who is told what happens to the phone's audio; the session."""

    def reached(self, name: str, fate: MarkFate) -> None:
        """A user's mark was reached or cleared."""
        ...

    def stalled(self) -> None:
        """The peer has not read for 30 s; told on every tick until the stream ends."""
        ...


class Playout:
    """
    The queue between ``play`` and the socket.

    Args:
        stream: Makes the messages.
        socket: Takes them.
        lead_ms: How far ahead of real time audio is sent.
        track: Gets what the phone will hear.
        observer: Is told what happens.

    Attributes:
        underruns: How often the phone ran dry, by more than a frame, inside a segment.

    """

    def __init__(
        self,
        *,
        stream: ServerStream,
        socket: DirectSocket,
        clock: Clock,
        ticker: Ticker,
        lead_ms: int,
        track: OutboundTrack,
        observer: PlayoutObserver,
    ) -> None:
        self._stream = stream
        self._socket = socket
        self._clock = clock
        self._ticker = ticker
        self.lead_s = lead_ms / 1000
        self._message_samples: Final = min(_MESSAGE_SAMPLES, lead_ms * RATE_HZ // 2000)
        self._track = track
        self._observer = observer
        self._queue: deque[Segment | UserMark] = deque()
        self._ledger: Final = Ledger()
        self._marks: dict[str, PendingMark] = {}
        self._mark_count = 0
        self._leave_ticker: Callable[[], None] | None = None
        self._held_since_s: float | None = None
        self._idle_waiters: list[Callable[[], None]] = []
        self.underruns = 0
        self._started: Segment | None = None
        self._is_silent = True
        self._voice: LiveVoice | None = None
        track.book = self._book

    # Commands

    def add(self, segment: Segment) -> None:
        """Take a segment; it plays after all earlier ones."""
        segment.settle_with(self._settle)
        self._queue.append(segment)

    def mark(self, name: str) -> None:
        """Set a user's mark behind everything queued."""
        self._queue.append(UserMark(name))
        self.release()

    def clear(self) -> None:
        """Drop what is sent or queued and may be interrupted; the rest of what may not is sent again."""
        self._book()
        cut = self._ledger.cut(self._clock.now_s())
        self._socket.send(self._stream.clear())
        self._track.cut()
        self._started = None
        self._is_silent = True
        for mark in self._marks.values():
            # All before it was heard: its echo is only on its way. Otherwise that echo means nothing.
            mark.cleared = bool(cut) if mark.segment is None else not mark.segment.is_heard
        kept = self._survivors(cut)
        for mark in self._marks.values():
            if mark.segment in kept:
                mark.segment = None  # its rest is sent again, with a mark of its own
            elif mark.cleared and mark.segment is not None:
                mark.segment.end("cleared")
        self._queue = kept
        self.release()
        self._check_idle()

    def _survivors(self, cut: list[Piece]) -> deque[Segment | UserMark]:
        """What is still to be played after a ``clear``, in order; ends the rows of all else."""
        kept: deque[Segment | UserMark] = deque()
        for item in self._queue:
            if isinstance(item, UserMark):
                self._observer.reached(item.name, "cleared")
            elif item.interruptible:
                item.end("cleared")
            else:
                kept.append(item)
        for piece in reversed(cut):
            if not piece.segment.interruptible:
                piece.segment.put_back(piece.payload)
                if piece.segment not in kept:
                    kept.appendleft(piece.segment)
        return kept

    def end(self) -> None:
        """The stream is over: nothing more is heard."""
        self._book()
        segments = [item for item in self._queue if isinstance(item, Segment)]
        segments += [piece.segment for piece in self._ledger.cut(self._clock.now_s())]
        segments += [mark.segment for mark in self._marks.values() if mark.segment is not None]
        self._queue.clear()
        self._marks.clear()
        self._started = None
        for segment in segments:
            segment.end("cleared")
        self._leave()
        self._tell_idle()

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call back once nothing is queued or playing; at once if that is so now."""
        self._idle_waiters.append(callback)
        self._check_idle()

    # The way out

    def release(self) -> None:
        """Send what the lead allows now; let the ticker come back for the rest."""
        self._book()
        now_s = self._clock.now_s()
        while self._queue:
            item = self._queue[0]
            if isinstance(item, UserMark):
                self._queue.popleft()
                self._send_mark(None, item.name)
            elif item.fate != "playing":
                self._queue.popleft()  # ended by its own error
            elif item.is_drained:
                self._queue.popleft()
                self._send_mark(item, None)
            elif not item.queued_samples or not self._send_some(item, now_s):
                break
        if self._queue and isinstance(self._queue[0], Segment) and self._queue[0].queued_samples:
            if self._leave_ticker is None:
                self._leave_ticker = self._ticker.add(self.release)
        else:
            self._leave()

    def echoed(self, name: str) -> None:
        """A mark of the stream came back."""
        pending = self._marks.pop(name, None)
        if pending is None:
            self._track.reached(name)
            return
        fate: MarkFate = "cleared" if pending.cleared else "played"
        if pending.segment is not None:
            pending.segment.end(fate)
            self._ledger.forget(pending.segment)
        elif pending.user_name is not None:
            self._observer.reached(pending.user_name, fate)
        self._check_idle()

    def _send_some(self, segment: Segment, now_s: float) -> bool:
        """Send one message of this segment if the lead and the socket allow."""
        if self._socket.unsent_bytes > _HOLD_ABOVE_BYTES:
            return self._hold(now_s)
        self._held_since_s = None
        self._track.catch_up()
        ahead_s = self._ledger.ends_s - now_s
        if ahead_s < 0:
            if ahead_s < -FRAME_S:
                self._is_silent = True
                self.underruns += segment is self._started
            self._ledger.ends_s, ahead_s = now_s, 0.0
        room_samples = round((self.lead_s - ahead_s) * RATE_HZ)
        waiting = segment.queued_samples
        if waiting > room_samples and room_samples < self._message_samples:
            return False
        if self._is_silent:
            self._is_silent = False
            if not self._track.ahead_samples:
                self._send_beginning()
        payload = segment.take(min(waiting, room_samples))
        self._socket.send(self._stream.play(payload))
        self._track.heard(payload)
        self._ledger.send(segment, payload, now_s)
        self._started = segment
        return True

    # A live source sends by itself, as long as it has credit

    def grant(self, voice: LiveVoice) -> float | None:
        """When the phone will have heard all that was sent; this voice may send more, and is to book it."""
        segment = voice.segment
        if segment is not self._started or segment.queued_samples or self._socket.unsent_bytes:
            return None
        ends_s = self._ledger.ends_s
        if ends_s - self._clock.now_s() < -FRAME_S:
            return None
        self._voice = voice
        return ends_s

    def booked(self, segment: Segment, payload: bytes, last_s: float) -> None:
        """This was sent piece by piece, the last of it at ``last_s``."""
        at_least_s = last_s + FRAME_S - len(payload) / RATE_HZ
        if self._ledger.ends_s < at_least_s:
            self.underruns += self._ledger.ends_s < at_least_s - FRAME_S - _ROUNDING_S
            self._ledger.ends_s = at_least_s
        self._track.heard(payload)
        self._ledger.send(segment, payload, last_s)

    def _book(self) -> None:
        """Have everything sent in the ledger."""
        voice, self._voice = self._voice, None
        if voice is not None:
            voice.book()

    def _settle(self) -> None:
        self._book()
        self._ledger.settle_exactly(self._clock.now_s())

    def _hold(self, now_s: float) -> bool:
        if self._held_since_s is None:
            self._held_since_s = now_s
        elif now_s - self._held_since_s > _STALL_S:
            self._observer.stalled()
        return False

    def _send_beginning(self) -> None:
        """Let the carrier say when the phone begins to hear what comes next."""
        self._mark_count += 1
        name = f"{BEGINNING_MARK}{self._mark_count}"
        self._socket.send(self._stream.mark(name))
        self._track.begins_at(name)

    def _send_mark(self, segment: Segment | None, user_name: str | None) -> None:
        self._mark_count += 1
        name = f"{INTERNAL_MARK}{self._mark_count}"
        self._marks[name] = PendingMark(segment, user_name)
        self._socket.send(self._stream.mark(name))
        if segment is self._started:
            self._started = None

    def _leave(self) -> None:
        if self._leave_ticker is not None:
            self._leave_ticker()
            self._leave_ticker = None

    def _check_idle(self) -> None:
        if not self._queue and not any(not mark.cleared for mark in self._marks.values()):
            self._tell_idle()

    def _tell_idle(self) -> None:
        waiters, self._idle_waiters = self._idle_waiters, []
        for callback in waiters:
            callback()
