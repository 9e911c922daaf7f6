"""
The jitter buffer: packets as they come, frames of 20 ms as they are asked for.

No clock: a frame is pulled every 20 ms, and that is all the time there is. How much is in store at each
pull says what a clock would: a packet that comes after its frame was pulled was too late, and audio that
has lain there untouched for seconds is delay without use.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from bridge.sip.ulaw_level import HALVED, SILENCE_BYTE, is_quiet

FRAME_SAMPLES: Final = 160
SILENCE: Final = bytes((SILENCE_BYTE,)) * FRAME_SAMPLES

_MASK: Final = 0xFFFFFFFF
_HALF: Final = 0x80000000

_LEAST_DELAY_FRAMES: Final = 1
_MOST_DELAY_FRAMES: Final = 4
_MOST_AHEAD_SAMPLES: Final = 16 * FRAME_SAMPLES
"""The bound: what would make more of the buffer than 320 ms throws out everything but the newest."""

_WINDOW_FRAMES: Final = 200
_PATIENCE_FRAMES: Final = 100
"""How long a frame that is to be left out may wait for a quiet place."""

_IDLE_FRAMES: Final = 15
"""After so many frames without any audio the sender has paused, and begins anew when it goes on."""

_LATE_IN_A_ROW: Final = 3
"""So many late packets on end are no accident: the way has become longer, or the sender's time was set."""


@dataclass(slots=True)
class JitterCounts:
    """
    What became of the audio.

    Attributes:
        played: Frames that held audio.
        concealed: Frames in between that were missing, and were filled.
        late: Packets that came after their time.
        repeated: Packets that had been played already.
        left_out: Frames thrown away to shorten the delay.
        restarts: How often the sender's time was found anew.

    """

    played: int = 0
    concealed: int = 0
    late: int = 0
    repeated: int = 0
    left_out: int = 0
    restarts: int = 0


class JitterBuffer:
    """
    Orders the packets of one RTP source into frames of 160 bytes of μ-law.

    It begins with one frame in store (20 ms, plus what there is between a packet's coming and the next
    pull), grows to four when packets come late, and shrinks again, by one frame in a quiet place, when
    nothing has needed the store for four seconds. That also takes up a sender whose clock runs faster or
    slower than ours. The first missing frames are the one before at half and quarter level, then silence.

    Packets may hold any number of samples. Another SSRC starts all over.

    Attributes:
        counts: What became of the audio so far.

    """

    def __init__(self) -> None:
        self.counts: Final = JitterCounts()
        self._frames: dict[int, bytes | bytearray] = {}
        self._heard: Final[deque[int]] = deque(maxlen=64)
        self._ssrc = -1
        self._packet_frames = 1
        self._delay_frames = _LEAST_DELAY_FRAMES
        self._forget()

    def _forget(self) -> None:
        """Know nothing of the sender's time; the next packet tells it."""
        self._frames.clear()
        self._heard.clear()
        self._is_running = False
        self._next = 0  # RTP time of the frame to be pulled next
        self._newest = 0  # RTP time of the newest frame in store
        self._hold_frames = 0
        self._missing = 0
        self._late_row = 0
        self._last: bytes = SILENCE
        self._begin_window(0)

    def _begin_window(self, most: int) -> None:
        self._pulls = 0
        self._least = _MOST_AHEAD_SAMPLES
        self._most_before = most
        self._most = 0
        self._was_late = False
        self._leave_out_in = 0

    @property
    def stored_ms(self) -> int:
        """Audio in store."""
        return 20 * len(self._frames)

    def push(self, ssrc: int, rtp_timestamp: int, payload: bytes) -> None:
        """Take the payload of one packet, which begins at this RTP time; anything may come."""
        if ssrc != self._ssrc:
            self._forget()
            self._ssrc = ssrc
        length = len(payload)
        if not self._is_running:
            self._start(rtp_timestamp)
        ahead = (rtp_timestamp - self._next) & _MASK
        if length == FRAME_SAMPLES and ahead <= _MOST_AHEAD_SAMPLES and not ahead % FRAME_SAMPLES:
            # Nearly every packet: a whole frame, in time, on the grid.
            self._frames[rtp_timestamp] = payload
            self._late_row = 0
            if (rtp_timestamp - self._newest) & _MASK < _HALF:
                self._newest = rtp_timestamp
            return
        if not 0 < length <= _MOST_AHEAD_SAMPLES // 2:
            return
        if ahead >= _HALF:
            self._push_late(rtp_timestamp, payload, _MASK + 1 - ahead)
        else:
            self._late_row = 0
            self._lay(rtp_timestamp, payload, ahead)

    def pull(self) -> bytes:
        """Give the next 20 ms; silence where there is nothing."""
        if self._hold_frames:
            self._hold_frames -= 1
            return self._conceal()
        if not self._is_running:
            return SILENCE
        if self._leave_out_in:
            self._leave_out()
        here = self._next
        frame = self._frames.pop(here, None)
        self._next = (here + FRAME_SAMPLES) & _MASK
        margin = (self._newest - here) & _MASK
        margin = margin // FRAME_SAMPLES if margin < _HALF else -1
        if margin < self._least:
            self._least = margin
        if margin > self._most:
            self._most = margin
        self._pulls += 1
        if self._pulls >= _WINDOW_FRAMES:
            self._judge()
        if frame is None:
            return self._miss()
        self._missing = 0
        self._heard.append(here)
        self.counts.played += 1
        self._last = frame if type(frame) is bytes else bytes(frame)
        return self._last

    def catch_up(self) -> None:
        """Throw out all but the newest: nobody has pulled for a while, and now somebody listens."""
        target = (self._newest - _LEAST_DELAY_FRAMES * FRAME_SAMPLES) & _MASK
        if self._frames and (target - self._next) & _MASK < _HALF:
            self._jump(target)

    # Packets that are not as usual

    def _start(self, rtp_timestamp: int) -> None:
        self._is_running = True
        self._next = self._newest = rtp_timestamp
        self._hold_frames = self._delay_frames
        self._missing = 0
        self._begin_window(0)

    def _restart(self, rtp_timestamp: int) -> None:
        self.counts.restarts += 1
        self._frames.clear()
        self._heard.clear()
        self._late_row = 0
        self._start(rtp_timestamp)

    def _push_late(self, rtp_timestamp: int, payload: bytes, late_samples: int) -> None:
        if rtp_timestamp in self._heard:
            self.counts.repeated += 1
            return
        late_frames = -(-late_samples // FRAME_SAMPLES)
        room = _MOST_DELAY_FRAMES + self._packet_frames - 1 - max(self._most, self._most_before, 0)
        is_next = not self._heard or (rtp_timestamp - self._heard[-1]) & _MASK < _HALF
        self.counts.late += 1
        self._was_late = True
        self._leave_out_in = 0
        if late_frames <= room:
            self._delay_frames = min(_MOST_DELAY_FRAMES, self._delay_frames + late_frames)
            self._most += late_frames
            self._most_before += late_frames
            if not is_next:  # what follows it was played: wait, so that the next of its kind is in time
                self._hold_frames += late_frames
                return
            # Nothing after it was played yet: go back and play it, and everything after it, that much later.
            self._next = (self._next - late_frames * FRAME_SAMPLES) & _MASK
            self._hold_frames = max(0, self._hold_frames - late_frames)
            self._late_row = 0
            self._lay(rtp_timestamp, payload, late_frames * FRAME_SAMPLES - late_samples)
        elif len(payload) > late_samples:
            self._late_row = 0
            self._lay(self._next, payload[late_samples:], 0)
        else:
            self._late_row += 1
            if self._late_row >= _LATE_IN_A_ROW:
                self._restart(rtp_timestamp)
                self._lay(rtp_timestamp, payload, 0)

    def _lay(self, rtp_timestamp: int, payload: bytes, ahead: int) -> None:
        """Cut a packet along the grid of frames."""
        self._packet_frames = min(_MOST_DELAY_FRAMES, -(-len(payload) // FRAME_SAMPLES))
        if ahead + len(payload) > _MOST_AHEAD_SAMPLES:
            self._jump((rtp_timestamp - self._delay_frames * FRAME_SAMPLES) & _MASK)
            ahead = self._delay_frames * FRAME_SAMPLES
        at = 0
        while at < len(payload):
            inner = (ahead + at) % FRAME_SAMPLES
            piece = payload[at : at + FRAME_SAMPLES - inner]
            key = (self._next + ahead + at - inner) & _MASK
            if len(piece) == FRAME_SAMPLES:
                self._frames[key] = piece
            else:
                frame = bytearray(self._frames.get(key, SILENCE))
                frame[inner : inner + len(piece)] = piece
                self._frames[key] = frame
            if (key - self._newest) & _MASK < _HALF:
                self._newest = key
            at += len(piece)

    def _jump(self, rtp_timestamp: int) -> None:
        """Go on from here, and throw out what lies before, or off the grid that begins here."""
        kept = {
            key: frame
            for key, frame in self._frames.items()
            if (key - rtp_timestamp) & _MASK < _HALF and not (key - rtp_timestamp) & _MASK % FRAME_SAMPLES
        }
        self.counts.left_out += len(self._frames) - len(kept)
        self._frames = kept
        self._next = rtp_timestamp
        self._hold_frames = 0
        self._begin_window(0)

    # Frames that are not as usual

    def _miss(self) -> bytes:
        if not self._frames and self._missing >= _IDLE_FRAMES:
            self._is_running = False
            self._last = SILENCE
            return SILENCE
        if self._frames:
            self.counts.concealed += 1
        return self._conceal()

    def _conceal(self) -> bytes:
        self._missing += 1
        self._last = self._last.translate(HALVED) if self._missing <= 2 else SILENCE
        return self._last

    def _judge(self) -> None:
        """Four seconds are over: was all that was in store needed?"""
        spare_frames, most, was_late = self._least - 1, self._most, self._was_late
        self._begin_window(most)
        if not was_late:
            self._delay_frames = max(_LEAST_DELAY_FRAMES, self._delay_frames - 1)
        if spare_frames >= 3:
            self._jump((self._next + spare_frames * FRAME_SAMPLES) & _MASK)
        elif spare_frames >= 1:
            self._leave_out_in = _PATIENCE_FRAMES

    def _leave_out(self) -> None:
        frame = self._frames.get(self._next)
        self._leave_out_in -= 1
        if frame is None or (self._leave_out_in and not is_quiet(frame)):
            return
        del self._frames[self._next]
        self._next = (self._next + FRAME_SAMPLES) & _MASK
        self.counts.left_out += 1
        self._begin_window(max(0, self._most_before - 1))
