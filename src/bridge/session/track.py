"""Pre-roll and outbound audio: what the listeners of a call can still get, and what the phone hears."""

from __future__ import annotations

from collections import deque

from bridge.audio.g711 import ulaw_silence


class PreRoll:
    """
    The last seconds of one track, for listeners that come late.

    Bound: ``limit_samples`` and one message; policy: the oldest goes. Payloads are kept as they came, which
    costs a frame next to nothing.
    """

    def __init__(self, limit_samples: int) -> None:
        self._limit_samples = limit_samples
        self._payloads: deque[bytes] = deque()
        self._samples = 0

    def add(self, payload: bytes) -> None:
        """Append."""
        self._payloads.append(payload)
        samples = self._samples + len(payload)
        while samples > self._limit_samples:
            samples -= len(self._payloads.popleft())
        self._samples = samples

    def audio(self) -> bytes:
        """What is kept, at most the limit."""
        return b"".join(self._payloads)


class OutboundTrack:
    """
    What the phone hears, placed on the inbound track's own time.

    What is sent is heard after what was sent before it, or from now on if the phone is silent; the
    inbound frames that come meanwhile say how much of it has been heard. So no clock is needed and both
    tracks always have the same length.

    Bound: ``limit_samples``, for when no inbound frames come at all; policy: the oldest was heard and goes.
    """

    def __init__(self, limit_samples: int) -> None:
        self._limit_samples = limit_samples
        self._ahead = bytearray()

    def heard(self, payload: bytes) -> None:
        """This was sent to the phone."""
        self._ahead += payload
        if len(self._ahead) > self._limit_samples:
            del self._ahead[: len(self._ahead) - self._limit_samples]

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
