"""A media stream on a line: what the phone says goes to the server, what the server sends is played."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from bridge.carrier.stream.playback import MAX_MARKS, SILENCE, Playback
from bridge.carrier.stream.socket import StreamSocket
from bridge.clock import Clock
from bridge.mediastream import messages as wire
from bridge.mediastream.twilio_side import Fault, TwilioStream

TOO_SLOW_CODE: Final = 31930
QUEUE_FULL_CODE: Final = 31931

_CLOSE_TIMEOUT_S: Final = 1.0

Warn = Callable[[int, str], None]
"""Called with Twilio's code and one sentence, once per code and stream."""


def stream_timestamps(jitter: Random) -> Iterator[int]:
    """
    A timestamp in milliseconds for each frame of a stream, sent or dropped.

    As captured from Twilio: the first frame between 100 and 170 ms, steps of 19.97 ms on average, none of
    them exact. It counts frames, not time; here each timestamp lies within 4 ms of its grid.
    """
    first_ms = jitter.uniform(104, 166)
    for frame in itertools.count():
        yield round(first_ms + frame * 19.97 + jitter.uniform(-4, 4))


class StreamTap:
    """
    A ``Tap`` made of the protocol's Twilio side, a playback queue and a socket.

    Attributes:
        socket: Connect it with ``stream_connect.connect``; ``connected`` and ``start`` are sent the moment
            it opens.
        sent_frames: Media messages given to the socket.
        dropped_frames: Frames of the phone's that were dropped because the server reads too slowly.
        received_messages: Messages of the server's, right or wrong.
        refused_bytes: μ-law of the server's that found the queue full.
        marks: Marks returned to the server, played or cleared.
        clears: How often the server cleared the queue.

    """

    def __init__(self, start: wire.StartBody, *, jitter: Random, warn: Warn) -> None:
        self.socket: Final = StreamSocket(on_open=self._open, on_text=self._text, on_binary=self._binary)
        self.sent_frames = 0
        self.dropped_frames = 0
        self.received_messages = 0
        self.refused_bytes = 0
        self.marks = 0
        self.clears = 0
        self._warn: Final = warn
        self._stream: Final = TwilioStream(start)
        self._playback: Final = Playback()
        self._timestamps: Final = stream_timestamps(jitter)
        self._running = False

    @property
    def heard_frames(self) -> int:
        """Frames of the server's audio that the phone was given."""
        return self._playback.heard_frames

    def tick(self, spoken: bytes, digits: str) -> bytes:
        """Pass 20 ms on the line: see ``line.Tap``."""
        if not self._running or not self.socket.is_open:
            return SILENCE
        # A dropped frame is numbered like a sent one, so that the server sees what it lost.
        message = self._stream.media(spoken, next(self._timestamps))
        if self.socket.slow:
            self.dropped_frames += 1
            self._tell(self._stream.fault(TOO_SLOW_CODE, "the server reads too slowly; audio is dropped"))
        else:
            self.sent_frames += 1
            self.socket.send(message)
        for digit in digits:
            self.socket.send(self._stream.dtmf(digit))
        frame, marks = self._playback.tick()
        for name in marks:
            self._return_mark(name)
        return frame

    async def end(self, clock: Clock) -> None:
        """The call is over: send ``stop``, close the socket and wait, a second at most, until it is gone."""
        if self._running:
            self._running = False
            self.socket.send(self._stream.stop())
        self.socket.close()
        await self.socket.gone(clock, within_s=_CLOSE_TIMEOUT_S)

    async def ended(self, clock: Clock) -> None:
        """Return when the server has ended the stream, or lost it, and the socket is gone."""
        await self.socket.ending()
        self._running = False
        await self.socket.gone(clock, within_s=_CLOSE_TIMEOUT_S)

    # Called by the socket

    def _open(self) -> None:
        for message in self._stream.open():
            self.socket.send(message)
        self._running = True

    def _binary(self) -> None:
        self.received_messages += 1
        self._tell(self._stream.receive_binary())

    def _text(self, data: memoryview) -> None:
        if not self._running:
            return
        self.received_messages += 1
        event = self._stream.receive(data)
        match event:
            case wire.PlayMedia(media=body):
                if not self._playback.play(body.payload):
                    self.refused_bytes += len(body.payload)
                    self._tell(self._stream.fault(QUEUE_FULL_CODE, "ten minutes queued; audio refused"))
            case wire.SetMark(mark=mark):
                self._mark(mark.name)
            case wire.Clear():
                self.clears += 1
                for name in self._playback.clear():
                    self._return_mark(name)
            case Fault():
                self._tell(event)

    def _mark(self, name: str) -> None:
        reached = self._playback.mark(name)
        if reached:
            self._return_mark(name)
        elif reached is None:
            self._tell(self._stream.fault(QUEUE_FULL_CODE, f"{MAX_MARKS} marks waiting; mark refused"))

    def _return_mark(self, name: str) -> None:
        self.marks += 1
        self.socket.send(self._stream.mark(name))

    def _tell(self, fault: Fault) -> None:
        if fault.first:
            self._warn(fault.code, fault.message)
