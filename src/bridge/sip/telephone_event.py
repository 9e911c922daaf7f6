"""Keypad digits in RTP (RFC 4733): written one packet a frame, read once per press however much is lost."""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Final, NamedTuple

_EVENT: Final = Struct("!BBH")
_END: Final = 0x80
_VOLUME: Final = 10
"""In dBm0 below zero (section 2.3.4), as most phones send it."""

KEYPAD: Final = "0123456789*#ABCD"
"""Event codes 0 to 15 (section 3.2, table 3)."""

PAUSES: Final = {"w": 25, "W": 50}
"""Frames of silence for the letters that Twilio's ``SendDigits`` has: half a second and one."""

FRAME_SAMPLES: Final = 160
TONE_FRAMES: Final = 5
GAP_FRAMES: Final = 4
_END_PACKETS: Final = 3
"""Section 2.5.1.4: the last packet is sent three times, so that one that is lost does no harm."""

_LONG_SAMPLES: Final = 60_000
"""A segment of a long press is cut off when its 16 bits of duration are nearly used up."""

MOST_WAITING: Final = 256
"""Digits waiting to be sent; more are refused, because nobody presses that many."""


class EventPacket(NamedTuple):
    """What the next RTP packet is to hold instead of audio."""

    payload: bytes
    marker: bool
    rtp_timestamp: int


class DigitSender:
    """
    Sends digits one after the other, each 100 ms long and 80 ms from the next.

    Asked once per 20 ms frame. The duration is that of whole frames, the time of the press is that of its
    first frame, and the last packet goes out three times, a frame apart.
    """

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._code: int | None = None
        self._rtp_timestamp = 0
        self._frames = 0
        self._pause_frames = 0

    @property
    def is_idle(self) -> bool:
        """Nothing is being sent or waits: audio may flow."""
        return self._code is None and not self._pause_frames and not self._waiting

    def press(self, digits: str) -> None:
        """
        Send these digits after those that wait.

        Raises:
            ValueError: something in them is no digit, or too many would wait.

        """
        check_digits(digits)
        if len(self._waiting) + len(digits) > MOST_WAITING:
            raise ValueError(f"more than {MOST_WAITING} digits would wait")
        self._waiting.extend(digits)

    def drain(self) -> str:
        """Give back the digits that wait, because they have to go another way; one half sent is given up."""
        self._code = None
        self._pause_frames = 0
        waiting = "".join(self._waiting)
        self._waiting.clear()
        return waiting

    def next_frame(self, rtp_timestamp: int) -> EventPacket | None:
        """Give what goes out in the frame that begins at this time; ``None`` for a frame of audio."""
        if self._pause_frames:
            self._pause_frames -= 1
            return None
        if self._code is None and not self._start(rtp_timestamp):
            return None
        self._frames += 1
        packet = self._packet(min(self._frames, TONE_FRAMES), is_end=self._frames >= TONE_FRAMES)
        if self._frames >= TONE_FRAMES + _END_PACKETS - 1:
            self._code = None
            self._pause_frames = GAP_FRAMES - _END_PACKETS + 1
        return packet

    def _start(self, rtp_timestamp: int) -> bool:
        if not self._waiting:
            return False
        digit = self._waiting.popleft()
        if digit in PAUSES:
            self._pause_frames = PAUSES[digit] - 1
            return False
        self._code = KEYPAD.index(digit.upper())
        self._rtp_timestamp = rtp_timestamp
        self._frames = 0
        return True

    def _packet(self, frames: int, *, is_end: bool) -> EventPacket:
        payload = _EVENT.pack(self._code, _VOLUME | (_END if is_end else 0), frames * FRAME_SAMPLES)
        return EventPacket(payload, self._frames == 1, self._rtp_timestamp)


def check_digits(digits: str) -> None:
    """Raise ``ValueError`` unless these are digits of a keypad, or ``w`` and ``W`` for pauses."""
    for digit in digits:
        if digit not in PAUSES and digit.upper() not in KEYPAD:
            raise ValueError(f"{digit!r} is no telephone digit; there are 0-9, *, #, A-D, and w for a pause")


class DigitReader:
    """
    Tells each press once, at its first packet, whichever of its packets that is.

    The packets of a press share its RTP time. A press that goes on for more than eight seconds is cut into
    segments with times of their own (section 2.5.1.3), which are told from new presses by following on.

    Attributes:
        ignored: Packets that were no digit: other events, or too short.

    """

    def __init__(self) -> None:
        self.ignored = 0
        self._told: deque[tuple[int, int]] = deque(maxlen=16)
        self._last = (-1, 0)
        self._is_long = False

    def feed(self, payload: bytes, rtp_timestamp: int) -> str:
        """Take the payload of one packet; give the digit if it is news, else an empty string."""
        if len(payload) < _EVENT.size or payload[0] >= len(KEYPAD):
            self.ignored += 1
            return ""
        code, flags, duration = _EVENT.unpack_from(payload)
        press = (code, rtp_timestamp)
        is_news = press not in self._told
        if is_news:
            self._told.append(press)
        elif press != self._last:
            return ""  # a straggler of a press before
        goes_on = is_news and self._is_long and self._follows(code, rtp_timestamp)
        self._last = press
        self._is_long = duration >= _LONG_SAMPLES and not flags & _END
        return KEYPAD[code] if is_news and not goes_on else ""

    def _follows(self, code: int, rtp_timestamp: int) -> bool:
        """Whether this is the next segment of the press before."""
        step = (rtp_timestamp - self._last[1]) & 0xFFFFFFFF
        return code == self._last[0] and _LONG_SAMPLES <= step <= 0xFFFF
