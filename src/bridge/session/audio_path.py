"""From media messages to listeners: the one callback that runs for every frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from weakref import ReferenceType, ref

from bridge.audio.g711 import ulaw_silence
from bridge.calls.call import Encoding, Track
from bridge.calls.record import StreamCounters
from bridge.mediastream.messages import MediaBody
from bridge.session.listener import Listener
from bridge.session.timeline import DROP, Numbering, Timeline
from bridge.session.track import FRAME_SAMPLES, OutboundTrack, PreRoll

_MAX_AHEAD_SAMPLES: Final = 12 * 8000
"""More than the longest gap that is filled and the largest lead: what is beyond was heard long ago."""


class AudioPath:
    """
    Both tracks of one stream, their pre-roll and their listeners.

    The inbound track leads: each inbound frame takes the same length of the outbound track with it.
    On streams where the provider sends ``outbound`` frames itself, those are the outbound track.
    """

    def __init__(self, *, preroll_ms: int, both_sent: bool, on_first: Callable[[], None]) -> None:
        numbering = Numbering() if both_sent else None
        self.inbound = Timeline("inbound", numbering)
        self.outbound = Timeline("outbound", numbering)
        self.sent = OutboundTrack(_MAX_AHEAD_SAMPLES)
        self.frames = 0
        self._listeners: tuple[ReferenceType[Listener], ...] = ()
        self._on_first = on_first
        self._takers: tuple[tuple[Listener, Callable[[bytes], None]], ...] = ()
        self._dropped_samples = 0
        self._preroll = PreRoll(preroll_ms) if preroll_ms else None
        self._ended = False

    def media(self, body: MediaBody) -> None:
        """Take one media message's audio."""
        if self._ended:
            return
        payload = body.payload
        if body.track == "outbound":
            self._provided(body)
            return
        gap_samples = self.inbound.place(body.chunk, body.timestamp, len(payload))
        if gap_samples == DROP:
            return
        if not self.frames:
            self._on_first()
        self.frames += 1
        if gap_samples:
            self._fan_out(ulaw_silence(gap_samples), filled=True)
        self._fan_out(payload)

    def _provided(self, body: MediaBody) -> None:
        """The provider's own outbound frame: heard by the phone, whoever spoke it."""
        gap_samples = self.outbound.place(body.chunk, body.timestamp, len(body.payload))
        if gap_samples == DROP:
            return
        if gap_samples:
            self.sent.heard(ulaw_silence(gap_samples))
        self.sent.heard(body.payload)

    def _fan_out(self, payload: bytes, *, filled: bool = False) -> None:
        samples = len(payload)
        outbound = self.sent.take(samples)
        if self._preroll is not None:
            if samples <= FRAME_SAMPLES:
                self._preroll.keep(payload)
                self._preroll.keep(outbound)
            else:
                self._preroll.add(payload, outbound)
        for _, take in self._takers:
            take(payload)
        for reference in self._listeners:
            listener = reference()
            if listener is None:
                continue
            track = listener.track
            if track == "inbound":
                listener.push(payload, filled=filled)
            elif track == "both":
                listener.push(payload, outbound, filled=filled)
            else:
                listener.push(outbound)

    def listen(
        self,
        track: Track,
        *,
        rate_hz: int,
        chunk_ms: int,
        encoding: Encoding,
        from_start: bool,
        max_queue_ms: int,
    ) -> Listener:
        """Attach a listener; see ``calls.Call.listen``."""
        left, right = self._preroll.audio() if from_start and self._preroll is not None else (b"", b"")
        listener = Listener(
            track,
            rate_hz=rate_hz,
            chunk_ms=chunk_ms,
            encoding=encoding,
            max_queue_ms=max_queue_ms,
            start_samples=self.inbound.position_samples - len(left),
            owner=self,
        )
        if left:
            listener.push(right if track == "outbound" else left, right if track == "both" else None)
        # Whoever breaks out of a listener just forgets it, and so do we.
        self._listeners = (*self._listeners, ref(listener, self._forget))
        return listener

    def _forget(self, reference: ReferenceType[Listener]) -> None:
        self._listeners = tuple(other for other in self._listeners if other is not reference)

    # What listeners tell (ListenerOwner)

    def dropped(self, samples: int) -> None:
        self._dropped_samples += samples

    def detach(self, listener: Listener) -> None:
        self._listeners = tuple(other for other in self._listeners if other() is not listener)
        self._takers = tuple(taker for taker in self._takers if taker[0] is not listener)

    def poured(self, listener: Listener, take: Callable[[bytes], None]) -> None:
        self.detach(listener)
        self._takers = (*self._takers, (listener, take))

    def counters(self, *, violations: int, underruns: int, first_audio_ms: int | None) -> StreamCounters:
        """What the record says of the inbound track, with what others have counted."""
        irregular = self.inbound.irregular
        return StreamCounters(
            frames=self.frames,
            samples=self.inbound.position_samples,
            gaps=irregular.gaps,
            filled_ms=irregular.filled_samples // 8,
            duplicates=irregular.duplicates,
            late=irregular.late,
            re_anchors=irregular.re_anchors,
            violations=violations,
            underruns=underruns,
            dropped_ms=self._dropped_samples // 8,
            first_audio_ms=first_audio_ms,
        )

    def end(self) -> None:
        """No more audio will come."""
        self._ended = True
        takers, self._takers = self._takers, ()
        for listener in (*(taker[0] for taker in takers), *(reference() for reference in self._listeners)):
            if listener is not None:
                listener.end()
