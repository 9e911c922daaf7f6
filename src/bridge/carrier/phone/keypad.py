"""Digits that somebody else pressed, for a phone: as its own protocol carries them, else as dual tones."""

from __future__ import annotations

from typing import Final, Protocol, runtime_checkable

from bridge.audio.g711 import FRAME_BYTES, SAMPLE_RATE_HZ
from bridge.carrier.phone import speech
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.line import Line
from bridge.carrier.stream.playback import SILENCE

MAX_QUEUED_BYTES: Final = 64 * 200 * 8
"""64 digits of 200 ms each; what is pressed while so many wait is lost."""


@runtime_checkable
class TakesDigits(Protocol):
    """A phone whose protocol carries digits beside the audio (RFC 4733)."""

    def press(self, digits: str) -> bool:
        """Send them to it; false if it cannot take them now."""
        ...


class Keypad:
    """
    What one phone is given to hear: somebody's voice, and for the time of a tone the tone instead.

    Args:
        leg: The phone.

    """

    def __init__(self, leg: Leg) -> None:
        self._leg: Final = leg
        self._tones = bytearray()

    def press(self, digits: str) -> None:
        """Let the phone have these digits."""
        if not isinstance(self._leg, TakesDigits) or not self._leg.press(digits):
            self.play(speech.digits(digits))

    def play(self, payload: bytes) -> None:
        """Let it hear this μ-law in place of the voice; dropped whole if too much waits."""
        if len(self._tones) + len(payload) <= MAX_QUEUED_BYTES:
            self._tones += payload

    def frame(self, voice: bytes) -> bytes:
        """Give the next 20 ms it hears."""
        if not self._tones:
            return voice
        frame = bytes(self._tones[:FRAME_BYTES])
        del self._tones[:FRAME_BYTES]
        return frame if len(frame) == FRAME_BYTES else frame + SILENCE[len(frame) :]


async def press_on(line: Line, digits: str) -> None:
    """Let the phone at a line's end have these digits, and return with the last one."""
    tones = speech.digits(digits)
    if isinstance(line.leg, TakesDigits) and line.leg.press(digits):
        await line.pause(len(tones) / SAMPLE_RATE_HZ)
    else:
        await line.play(tones)
