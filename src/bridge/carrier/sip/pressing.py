"""The digits on their way to the peer: as telephone events where it takes them, else as tones."""

from __future__ import annotations

from collections import deque
from typing import Final

from bridge.carrier.sip.in_band import tone_frames
from bridge.sip.rtp import RtpSender
from bridge.sip.telephone_event import DigitSender


class Pressing:
    """
    One call's digits, sent one after the other in place of audio.

    Bounded by ``telephone_event.MOST_WAITING``: who presses more is told so.
    """

    def __init__(self) -> None:
        self._events: Final = DigitSender()
        self._tones: Final[deque[bytes]] = deque()

    @property
    def is_idle(self) -> bool:
        """Nothing is being sent or waits: audio may flow."""
        return not self._tones and self._events.is_idle

    def press(self, digits: str) -> None:
        """Send these after those that wait. Raises ``ValueError`` as ``DigitSender.press``."""
        self._events.press(digits)

    def packet(self, sender: RtpSender, payload_type: int | None) -> bytes | None:
        """
        Give the packet that goes out instead of this frame's; ``None`` for a frame of audio.

        Args:
            sender: Numbers it, and says what time it is.
            payload_type: Of telephone events; ``None`` makes tones of the digits that wait.

        """
        if payload_type is None:
            if not self._tones:
                self._tones.extend(tone_frames(self._events.drain()))
            return None
        event = self._events.next_frame(sender.rtp_timestamp)
        if event is None:
            return None
        return sender.event(
            payload_type, event.payload, marker=event.marker, rtp_timestamp=event.rtp_timestamp
        )

    def tone(self, payload: bytes) -> bytes:
        """Give the frame of a tone, where there is one, instead of this frame of audio."""
        return self._tones.popleft() if self._tones else payload
