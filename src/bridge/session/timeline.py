"""
Where each piece of audio belongs, judged by the stream's own numbers and never by the wall clock.

The first frame is position 0, whatever its timestamp (57 to 171 ms were seen, junk is possible).
A contiguous ``chunk`` is never a gap, however the timestamps wander. Otherwise the gap is the
timestamp's distance from a grid that follows the stream's real pace (steps of about 19.97 ms were seen),
rounded to frames; where ``chunk`` says nearly the same number of frames, it is believed to the frame, for
over nine seconds that pace is more than half a frame off. A jump of more than ten seconds, or backwards,
starts a new grid and fills nothing.
Twilio documents ``timestamp`` as presentation time since the stream's start:
https://www.twilio.com/docs/voice/media-streams/websocket-messages#media-message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bridge.mediastream.messages import MediaBody

FRAME_SAMPLES: Final = 160
_FRAME_MS: Final = 20
_SAMPLES_PER_MS: Final = 8
_MAX_GAP_MS: Final = 10_000
_MAX_GAP_FRAMES: Final = _MAX_GAP_MS // _FRAME_MS
_MAX_TIMESTAMP_MS: Final = 1 << 53
"""285,000 years, the last whole number of which a float still knows the next one."""
_SETTLING_FRAMES: Final = 5
_SLEW: Final = 1 / 32
_MAX_SLEW_MS: Final = 20.0
_JITTER_FRAMES: Final = 0.75
_PACE_ERROR: Final = 0.005
"""How far the timestamps of a gap may differ from its chunks: by jitter, and by the pace of its length."""
DROP: Final = -1
"""``place`` says: this audio was placed already."""


@dataclass(slots=True)
class Irregularities:
    """What the timeline had to mend."""

    gaps: int = 0
    filled_samples: int = 0
    duplicates: int = 0
    late: int = 0
    re_anchors: int = 0


class Numbering:
    """
    Whether ``chunk`` counts per track or over both; Twilio's pages allow either reading.

    Inferred from the first chunk of the second track: 1 again means per track.
    """

    def __init__(self) -> None:
        self._first_track: str | None = None
        self._last = 0
        self._shared: bool | None = None
        self._unsure: set[str] = set()

    @property
    def is_shared(self) -> bool:
        """Whether the chunks are known to count over both tracks, so that a track's own skip some."""
        return self._shared is True

    def contiguous(self, track: str, chunk: int, own_last: int) -> bool:
        """Whether ``chunk`` directly follows the one before it, in whichever way they are counted."""
        if self._first_track is None:
            self._first_track = track
        elif self._shared is None and track != self._first_track:
            self._shared = chunk != 1
        follows = chunk == (self._last if self._shared else own_last) + 1
        self._last = chunk
        if self._shared:
            if not follows:
                # What is missing may have been of either track, so each one's next frame is to be measured.
                self._unsure.update(("inbound", "outbound"))
            follows = track not in self._unsure
            self._unsure.discard(track)
        return follows


class Timeline:
    """
    The places of one track's audio.

    Attributes:
        position_samples: The length of the track so far; where the next audio goes.
        irregular: What had to be mended.

    """

    # fmt: off
    __slots__ = (
        "_expected_ms", "_filled_chunks", "_frames", "_last_chunk", "_last_timestamp_ms", "_numbering",
        "_track", "irregular", "position_samples",
    )
    # fmt: on

    def __init__(self, track: str = "inbound", numbering: Numbering | None = None) -> None:
        self.position_samples = 0
        self.irregular = Irregularities()
        self._track = track
        self._numbering = numbering
        self._last_chunk = 0
        self._last_timestamp_ms = 0
        self._expected_ms = 0.0
        self._frames = 0
        self._filled_chunks = range(0)

    def place(self, chunk: int, timestamp_ms: int | None, samples: int) -> int:
        """
        Place ``samples`` of audio and advance.

        Args:
            chunk: The message's counter; 0 when it has none.
            timestamp_ms: Its presentation time; ``None`` when it has none.
            samples: How much audio it carries.

        Returns:
            How many samples of silence come before it (usually 0), or ``DROP``.

        """
        if (
            chunk == self._last_chunk + 1
            and timestamp_ms is not None
            and self._frames >= _SETTLING_FRAMES
            and self._numbering is None
        ):
            # Nearly every frame: the next one, about when it was expected. The rest of the file agrees.
            offset_ms = timestamp_ms - self._expected_ms
            if -_MAX_SLEW_MS <= offset_ms <= _MAX_SLEW_MS:
                self._expected_ms += offset_ms * _SLEW + samples / _SAMPLES_PER_MS
                self._last_chunk = chunk
                self._last_timestamp_ms = timestamp_ms
                self.position_samples += samples
                return 0
        gap_samples = 0
        if timestamp_ms is not None and not -_MAX_TIMESTAMP_MS < timestamp_ms < _MAX_TIMESTAMP_MS:
            timestamp_ms = _MAX_TIMESTAMP_MS if timestamp_ms > 0 else -_MAX_TIMESTAMP_MS
        if timestamp_ms is None:
            if chunk and chunk <= self._last_chunk:
                return self._drop(chunk)
        elif self._frames:
            if (
                (chunk <= self._last_chunk or not chunk)
                and timestamp_ms <= self._last_timestamp_ms
                and self._last_timestamp_ms - timestamp_ms <= _MAX_GAP_MS
            ):
                return self._drop(chunk)
            gap_samples = self._measure(chunk, timestamp_ms)
        else:
            self._expected_ms = timestamp_ms
            self._is_contiguous(chunk)
        self._frames += 1
        self._last_chunk = chunk
        if timestamp_ms is not None:
            self._last_timestamp_ms = timestamp_ms
        self._expected_ms += samples / _SAMPLES_PER_MS
        self.position_samples += gap_samples + samples
        return gap_samples

    def place_run(self, frames: Iterable[MediaBody]) -> None:
        """Place frames of 20 ms whose chunks are contiguous: none of them is a gap or a repeat."""
        settled = self._numbering is None and self._frames >= _SETTLING_FRAMES
        for frame in frames:
            timestamp_ms = frame.timestamp
            if settled and timestamp_ms is not None:  # as in ``place``
                offset_ms = timestamp_ms - self._expected_ms
                if -_MAX_SLEW_MS <= offset_ms <= _MAX_SLEW_MS:
                    self._expected_ms += offset_ms * _SLEW + _FRAME_MS
                    self._last_chunk = frame.chunk
                    self._last_timestamp_ms = timestamp_ms
                    self.position_samples += FRAME_SAMPLES
                    continue
            self.place(frame.chunk, timestamp_ms, FRAME_SAMPLES)

    def _is_contiguous(self, chunk: int) -> bool:
        if self._numbering is None:
            return chunk == self._last_chunk + 1
        return self._numbering.contiguous(self._track, chunk, self._last_chunk)

    def _measure(self, chunk: int, timestamp_ms: int) -> int:
        """The gap before this frame in samples; moves the grid."""
        offset_ms = timestamp_ms - self._expected_ms
        contiguous = self._is_contiguous(chunk)
        if abs(offset_ms) > _MAX_GAP_MS:
            return self._re_anchor(timestamp_ms)
        frames = 0 if contiguous else self._missing(chunk, offset_ms / _FRAME_MS)
        if frames < 0:
            return self._re_anchor(timestamp_ms)
        if frames > 0:
            self._expected_ms = timestamp_ms
            self.irregular.gaps += 1
            self.irregular.filled_samples += frames * FRAME_SAMPLES
            self._filled_chunks = range(self._last_chunk + 1, chunk)
            return frames * FRAME_SAMPLES
        if self._frames < _SETTLING_FRAMES:
            self._expected_ms = timestamp_ms
        else:
            self._expected_ms += max(-_MAX_SLEW_MS, min(_MAX_SLEW_MS, offset_ms)) * _SLEW
        return 0

    def _missing(self, chunk: int, frames: float) -> int:
        """How many frames are missing before this one, by its timestamp and, if that agrees, by its chunk."""
        skipped = chunk - self._last_chunk - 1
        is_own_count = self._numbering is None or not self._numbering.is_shared
        if is_own_count and 0 < skipped <= _MAX_GAP_FRAMES:
            tolerance = _JITTER_FRAMES + _PACE_ERROR * skipped
            if abs(skipped - frames) <= tolerance:
                return skipped
        return round(frames)

    def _drop(self, chunk: int) -> int:
        """Count audio that has no place any more: it came twice, or after silence was put in for it."""
        if chunk in self._filled_chunks:
            self.irregular.late += 1
        else:
            self.irregular.duplicates += 1
        return DROP

    def _re_anchor(self, timestamp_ms: int) -> int:
        self._expected_ms = timestamp_ms
        self.irregular.re_anchors += 1
        return 0
