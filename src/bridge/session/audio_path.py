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
_MOST_WAITING_FRAMES: Final = 25
_MOST_WAITING_SAMPLES: Final = _MOST_WAITING_FRAMES * FRAME_SAMPLES
_GROUPS: Final = 5


class AudioPath:
    """
    Both tracks of one stream, their pre-roll and their listeners.

    The inbound track leads: each inbound frame takes the same length of the outbound track with it.
    On streams where the provider sends ``outbound`` frames itself, those are the outbound track.

    A frame that simply is the next one waits, for half a second at most, until the first listener has a whole
    chunk or anybody looks: nobody is told anything later than without, but all that is to be done for a
    frame is done for several in a row. Whoever plays a listener gets each frame at once. Before even its
    message is read, a frame may wait with whoever brings it (``supply``); only a gap found there late gives
    its silence late, to listeners with chunks of more than a frame.

    Args:
        preroll_ms: How much is kept for listeners that come late.
        both_sent: The provider sends the outbound track too.
        on_first: Called before the first frame.
        number: Any number of the call's own. Played calls that began together would otherwise all do what has
            waited in the same moment, and each would wait for all the others; so they form five groups. More
            groups would cost more: what one call has fetched into the processor's caches serves the next.

    """

    # fmt: off
    __slots__ = (
        "_both_sent", "_dropped_samples", "_due_frames", "_ended", "_frames", "_inbound", "_listeners",
        "_next_chunk", "_on_first", "_outbound", "_patience_frames", "_phase_frames", "_preroll", "_pull",
        "_takers", "_tell_patience", "_waiting", "_watch", "sent",
    )
    # fmt: on

    def __init__(
        self, *, preroll_ms: int, both_sent: bool, on_first: Callable[[], None], number: int = 0
    ) -> None:
        numbering = Numbering() if both_sent else None
        self.sent: Final = OutboundTrack(_MAX_AHEAD_SAMPLES, before_change=self.flush)
        self._inbound = Timeline("inbound", numbering)
        self._outbound = Timeline("outbound", numbering)
        self._both_sent = both_sent
        self._frames = 0
        self._phase_frames = number % _GROUPS * (_MOST_WAITING_FRAMES // _GROUPS)
        self._waiting: list[bytes] = []
        self._due_frames = 1
        self._next_chunk: int | None = None
        self._listeners: tuple[ReferenceType[Listener], ...] = ()
        self._takers: tuple[tuple[Listener, Callable[[bytes], None]], ...] = ()
        self._on_first = on_first
        self._dropped_samples = 0
        self._preroll = PreRoll(preroll_ms * 8) if preroll_ms else None
        self._watch: Callable[[bytes], None] | None = None
        self._ended = False
        self._patience_frames = 1
        self._tell_patience: Callable[[int], None] = lambda _: None
        self._pull: Callable[[], None] = lambda: None

    def supply(self, *, pull: Callable[[], None], be_patient: Callable[[int], None]) -> None:
        """
        Let whoever brings the messages keep the regular ones unread until several are there.

        ``be_patient`` is told how many frames nobody will ask for, from now on; ``pull`` must bring all
        that were kept, and is called before anybody looks.
        """
        self._pull, self._tell_patience = pull, be_patient
        be_patient(self._patience_frames)

    @property
    def position_samples(self) -> int:
        """How far the inbound track has come."""
        self.flush()
        return self._inbound.position_samples

    def media(self, body: MediaBody) -> None:
        """Take one media message's audio."""
        payload = body.payload
        if body.chunk != self._next_chunk or len(payload) != FRAME_SAMPLES or body.track != "inbound":
            self._irregular(body)
            return
        self._next_chunk = body.chunk + 1
        # Now, while all of the message is at hand; only its audio stays.
        self._inbound.place(body.chunk, body.timestamp, FRAME_SAMPLES)
        waiting = self._waiting
        waiting.append(payload)
        for _, take in self._takers:
            take(payload)
        if len(waiting) >= self._due_frames:
            self.flush()

    def media_run(self, bodies: list[MediaBody]) -> None:
        """Take the audio of several messages."""
        first_chunk = self._next_chunk
        if first_chunk is not None and not self._takers:
            for chunk, body in enumerate(bodies, first_chunk):
                if body.chunk != chunk or len(body.payload) != FRAME_SAMPLES or body.track != "inbound":
                    break
            else:
                self._next_chunk = first_chunk + len(bodies)
                self._inbound.place_run(bodies)
                self._waiting += [body.payload for body in bodies]
                return
        for body in bodies:
            self.media(body)

    def flush(self) -> None:
        """Do for the frames that wait what is to be done."""
        self._pull()
        waiting = self._waiting
        if not waiting:
            return
        self._waiting = []
        self._frames += len(waiting)
        self._deliver(b"".join(waiting))

    def _irregular(self, body: MediaBody) -> None:
        """Audio of any track, size and number."""
        if self._ended:
            return
        self.flush()
        if body.track == "outbound":
            self._provided(body)
            return
        gap_samples = self._inbound.place(body.chunk, body.timestamp, len(body.payload))
        if gap_samples == DROP:
            return
        if not self._frames:
            self._on_first()
        self._frames += 1
        if not self._both_sent:
            self._next_chunk = body.chunk + 1
        if gap_samples:
            self._deliver(ulaw_silence(gap_samples), filled=True)
            self._pass_on(ulaw_silence(gap_samples))
        self._deliver(body.payload)
        self._pass_on(body.payload)

    def _pass_on(self, payload: bytes) -> None:
        for _, take in self._takers:
            take(payload)

    def _provided(self, body: MediaBody) -> None:
        """The provider's own outbound frame: heard by the phone, whoever spoke it."""
        gap_samples = self._outbound.place(body.chunk, body.timestamp, len(body.payload))
        if gap_samples == DROP:
            return
        if gap_samples:
            self.sent.heard(ulaw_silence(gap_samples))
        self.sent.heard(body.payload)

    def _deliver(self, inbound: bytes, *, filled: bool = False) -> None:
        """Give the next piece of the inbound track, and what was heard meanwhile, to all who listen."""
        samples = len(inbound)
        outbound = self.sent.take(samples)
        if self._preroll is not None:
            self._preroll.add(inbound, outbound)
        due_samples = _MOST_WAITING_SAMPLES
        if self._takers:
            due_samples -= FRAME_SAMPLES * ((self._frames + self._phase_frames) % _MOST_WAITING_FRAMES)
        if self._watch is not None:
            self._watch(inbound)
            due_samples = FRAME_SAMPLES
        for reference in self._listeners:
            listener = reference()
            if listener is None:
                continue
            track = listener.track
            if track == "inbound":
                missing_samples = listener.push(inbound, filled=filled)
            elif track == "both":
                missing_samples = listener.push(inbound, outbound, filled=filled)
            else:
                missing_samples = listener.push(outbound)
            due_samples = min(due_samples, missing_samples)
        self._be_due_in(-(-due_samples // FRAME_SAMPLES))

    def _be_due_in(self, frames: int) -> None:
        """In so many frames somebody has a whole chunk."""
        self._due_frames = frames
        patience_frames = 1 if self._takers else frames
        if patience_frames != self._patience_frames:
            self._patience_frames = patience_frames
            self._tell_patience(patience_frames)

    @property
    def is_watched(self) -> bool:
        """Whether somebody watches already."""
        return self._watch is not None

    def watch(self, take: Callable[[bytes], None]) -> None:
        """Give ``take`` all of the inbound track from now on, fills included, before any listener."""
        self.flush()
        self._watch = take
        self._be_due_in(1)

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
        self.flush()
        self._be_due_in(1)
        left, right = self._preroll.audio() if from_start and self._preroll is not None else (b"", b"")
        listener = Listener(
            track,
            rate_hz=rate_hz,
            chunk_ms=chunk_ms,
            encoding=encoding,
            max_queue_ms=max_queue_ms,
            start_samples=self._inbound.position_samples - len(left),
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
        self.flush()  # what came before is still its own
        self._listeners = tuple(other for other in self._listeners if other() is not listener)
        self._takers = tuple(taker for taker in self._takers if taker[0] is not listener)

    def poured(self, listener: Listener, take: Callable[[bytes], None]) -> None:
        self.detach(listener)
        self._takers = (*self._takers, (listener, take))
        self._be_due_in(self._due_frames)

    def counters(self, *, violations: int, underruns: int, first_audio_ms: int | None) -> StreamCounters:
        """What the record says of the inbound track, with what others have counted."""
        self.flush()
        irregular = self._inbound.irregular
        return StreamCounters(
            frames=self._frames,
            samples=self._inbound.position_samples,
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
        self.flush()
        self._ended, self._next_chunk = True, None
        takers, self._takers = self._takers, ()
        for listener in (*(taker[0] for taker in takers), *(reference() for reference in self._listeners)):
            if listener is not None:
                listener.end()

    def forget(self) -> None:
        """Nobody will listen any more: the pre-roll must not stay until the garbage collector comes."""
        self._preroll = None
