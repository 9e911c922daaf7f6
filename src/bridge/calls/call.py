"""The call as everybody else sees it: what sinks are given and what a session implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from bridge.audio import g711
from bridge.audio.level import level_dbfs
from bridge.calls.event import CallEvent

if TYPE_CHECKING:
    from numpy.typing import NDArray

Track = Literal["inbound", "outbound", "both"]
Encoding = Literal["pcm16", "mulaw", "float32"]
PlaybackFate = Literal["playing", "played", "cleared"]


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """
    A piece of a call's audio.

    Attributes:
        start_samples: Its place on the stream's timeline, samples at 8000 Hz from the first frame.
        data: The audio in the encoding asked for; with ``channels == 2`` interleaved, the phone left.
        encoding: Of ``data``.
        channels: 1, or 2 for ``track="both"``.
        dropped_ms: Audio this listener lost just before this chunk, because it read too slowly.
        filled_ms: How much of this chunk is silence put in for audio that never arrived.
        rate_hz: Sampling rate of ``data``.

    """

    start_samples: int
    data: bytes
    encoding: Encoding = "pcm16"
    channels: int = 1
    dropped_ms: int = 0
    filled_ms: int = 0
    rate_hz: int = 8000

    @property
    def start_ms(self) -> int:
        """Its place on the stream's timeline in milliseconds."""
        return self.start_samples // 8

    @property
    def samples_per_channel(self) -> int:
        """How long it is, in samples at ``rate_hz``."""
        return len(self.data) // (_SAMPLE_BYTES[self.encoding] * self.channels)

    @property
    def duration_ms(self) -> float:
        """How long it is in milliseconds."""
        return self.samples_per_channel * 1000 / self.rate_hz

    @property
    def pcm(self) -> bytes:
        """The audio as signed 16-bit little-endian, interleaved if there are two channels."""
        if self.encoding == "pcm16":
            return self.data
        if self.encoding == "mulaw":
            return g711.decode_ulaw(self.data)
        scaled = np.frombuffer(self.data, "<f4") * 32768
        return scaled.clip(-32768, 32767).astype("<i2").tobytes()

    @property
    def samples(self) -> NDArray[np.int16] | NDArray[np.float32]:
        """The audio as an array: ``(n,)`` for one channel, ``(n, 2)`` for two; float32 if asked for."""
        if self.encoding == "float32":
            array: NDArray[np.int16] | NDArray[np.float32] = np.frombuffer(self.data, "<f4")
        else:
            array = np.frombuffer(self.pcm, "<i2")
        return array.reshape(-1, self.channels) if self.channels > 1 else array

    @property
    def level_dbfs(self) -> float:
        """Loudness, RMS over all channels; −96 for silence."""
        return level_dbfs(self.pcm)


_SAMPLE_BYTES = {"pcm16": 2, "mulaw": 1, "float32": 4}


class Playback(Protocol):
    """What became of one ``play``."""

    @property
    def fate(self) -> PlaybackFate:
        """``playing`` (or waiting) until it was ``played`` to its end or ``cleared``."""
        ...

    @property
    def played_ms(self) -> int:
        """How much the phone has heard, estimated to a frame while it plays."""
        ...

    @property
    def cleared_ms(self) -> int:
        """How much will never be heard."""
        ...

    async def finished(self) -> PlaybackFate:
        """Wait for the end; raises what the audio's own iterator raised, or ``CallEnded``."""
        ...


Playable = bytes | AudioChunk


class Call(Protocol):
    """One live phone call."""

    @property
    def sid(self) -> str:
        """The call's SID, ``CA…``."""
        ...

    @property
    def stream_sid(self) -> str:
        """The media stream's SID, ``MZ…``."""
        ...

    @property
    def from_(self) -> str:
        """Who calls; empty when unknown."""
        ...

    @property
    def to(self) -> str:
        """Who is called; empty when unknown."""
        ...

    @property
    def direction(self) -> Literal["incoming", "placed"]:
        """Who started it."""
        ...

    @property
    def parameters(self) -> Mapping[str, str]:
        """The custom parameters of the stream, without ours."""
        ...

    @property
    def started_at(self) -> datetime:
        """When the stream was opened; aware UTC."""
        ...

    def listen(
        self,
        track: Track = "inbound",
        *,
        rate_hz: int = 8000,
        chunk_ms: int = 20,
        encoding: Encoding = "pcm16",
        from_start: bool = False,
        max_queue_ms: int = 5000,
    ) -> AsyncIterator[AudioChunk]:
        """
        Read the call's audio from now on, or from the pre-roll on with ``from_start``.

        Args:
            track: ``inbound`` (what the phone says), ``outbound`` (what it hears) or ``both``,
                two aligned channels.
            rate_hz: 8000, 16000, 24000 or 48000; above 8000 the audio comes 1.36 ms later.
            chunk_ms: Length of each chunk; you are woken once per chunk, so ask for more if you can
                wait. A multiple of 20 costs least. The last chunk may be shorter.
            encoding: ``pcm16``, ``mulaw`` (nothing is decoded; at 8000 Hz only) or ``float32`` (±1.0).
            from_start: Begin with what the pre-roll still holds (3 s by default).
            max_queue_ms: What may wait for you; beyond it your oldest audio is dropped and the next
                chunk's ``dropped_ms`` says how much.

        Returns:
            An iterator that ends with the stream.

        Raises:
            ValueError: an argument is out of range.

        """
        ...

    async def play(
        self,
        audio: Playable | AsyncIterator[Playable],
        *,
        rate_hz: int = 8000,
        encoding: Literal["pcm16", "mulaw"] = "pcm16",
        max_queue_ms: int | None = None,
        interruptible: bool = True,
    ) -> Playback:
        """
        Play to the phone, after whatever plays already.

        Args:
            audio: PCM16 mono (or μ-law, see ``encoding``; chunks know their own), whole or as an iterator,
                which the session drives.
            rate_hz: Of ``bytes``: 8000, 16000, 24000 or 48000.
            encoding: Of ``bytes``.
            max_queue_ms: For live sources: more than this never waits, the oldest is dropped.
            interruptible: ``False`` survives ``clear``.

        Raises:
            CallReadOnly: nothing can be played into a one-way stream.
            CallEnded: the stream is over.
            AudioError: there is no such rate.

        """
        ...

    async def clear(self) -> None:
        """Stop what plays and drop what waits (barge-in); raises as ``play``."""
        ...

    async def mark(self, name: str) -> None:
        """Ask for a ``MarkReached`` event once everything queued before was played; raises as ``play``."""
        ...

    def add_recording(self, path: Path) -> None:
        """Tell the call's record of a file that holds its audio; ``GET /calls/{sid}/recording`` serves it."""
        ...

    def finish_recording(self, path: Path) -> None:
        """Tell the record that a file is complete; until then it is not served."""
        ...

    def add_loss(self, destination: str, lost_ms: int) -> None:
        """Tell the record how much audio did not reach where it was to go; adds up per destination."""
        ...

    def events(self) -> AsyncIterator[CallEvent]:
        """Everything that happened since the call's start and will happen, in order."""
        ...

    async def hangup(self, *, after_played: bool = False) -> None:
        """End the call, at once or when everything queued was played."""
        ...

    async def send_digits(self, digits: str) -> None:
        """
        Play digits (0–9, *, #, A–D; ``w`` half a second, ``W`` one) as dual tones in band.

        A media stream carries no outgoing digit messages.

        Raises:
            ValueError: another character.
            CallReadOnly, CallEnded: as ``play``.

        """
        ...
