"""Pre-roll and outbound audio: what the listeners of a call can still get, and what the phone hears."""

from __future__ import annotations

from bridge.audio.g711 import ulaw_silence


class PreRoll:
    """The last seconds of one track, for listeners that come late."""

    def __init__(self, limit_samples: int) -> None:
        self._limit_samples = limit_samples
        self._audio = bytearray()

    def add(self, payload: bytes) -> None:
        """Append; the oldest beyond the limit goes, in large cuts so that a frame costs nothing."""
        audio = self._audio
        audio += payload
        if len(audio) > 2 * self._limit_samples:
            del audio[: len(audio) - self._limit_samples]

    def audio(self) -> bytes:
        """What is kept, at most the limit."""
        return bytes(self._audio[-self._limit_samples :]) if self._limit_samples else b""


class OutboundTrack:
    """
    What the phone hears, placed on the inbound track's own time.

    What is sent is heard after what was sent before it, or from now on if the phone is silent; the
    inbound frames that come meanwhile say how much of it has been heard. So no clock is needed and both
    tracks always have the same length.
    """

    def __init__(self) -> None:
        self._ahead = bytearray()

    def heard(self, payload: bytes) -> None:
        """This was sent to the phone."""
        self._ahead += payload

    def cut(self) -> None:
        """A ``clear`` was sent: what has not been heard by now never will be."""
        self._ahead.clear()

    def take(self, samples: int) -> bytes:
        """The next ``samples`` the phone heard, silence where nothing was sent."""
        ahead = self._ahead
        if not ahead:
            return _SILENCE if samples == len(_SILENCE) else ulaw_silence(samples)
        taken = bytes(ahead[:samples])
        del ahead[:samples]
        return taken if len(taken) == samples else taken + ulaw_silence(samples - len(taken))


_SILENCE = ulaw_silence(160)
