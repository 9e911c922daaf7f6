"""Speech of the phone's side as events of its call."""

from __future__ import annotations

from collections.abc import Callable

from bridge.audio.speech import SpeechDetector
from bridge.calls.event import SpeechStarted, SpeechStopped


def speech_watch(detector: SpeechDetector, happened: Callable[..., None]) -> Callable[[bytes], None]:
    """Make what hears the inbound track and tells when speech begins and ends."""

    def hear(payload: bytes) -> None:
        news = detector.feed(payload)
        if news is True:
            happened(SpeechStarted)
        elif news is False:
            happened(SpeechStopped, detector.spoken_ms)

    return hear
