"""One reader of a call's audio: a bounded buffer per track, woken once per chunk it asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from bridge.audio import g711
from bridge.audio.resample import Upsampler
from bridge.calls.call import AudioChunk, Encoding, Track

_SAMPLES_PER_MS: Final = 8


class ListenerOwner(Protocol):
    """Who fills listeners: a call's audio path."""

    def detach(self, listener: Listener) -> None:
        """It wants no more."""
        ...

    def poured(self, listener: Listener, take: Callable[[bytes], None]) -> None:
        """From now on its audio is to be given to ``take`` where it comes, and not kept for it."""
        ...

    def dropped(self, samples: int) -> None:
        """It lost so much by reading too slowly."""
        ...


class Listener:
    """
    An asynchronous iterator over chunks, filled synchronously by the session.

    Bound: ``max_queue_ms``; policy: the oldest whole chunks are dropped and reported with the next one.
    Audio waits as μ-law; decoding happens here, when a chunk is taken, so nobody pays for what is dropped.
    """

    def __init__(
        self,
        track: Track,
        *,
        rate_hz: int = 8000,
        chunk_ms: int,
        encoding: Encoding,
        max_queue_ms: int,
        start_samples: int,
        owner: ListenerOwner,
    ) -> None:
        if not 1 <= chunk_ms <= 60_000:
            raise ValueError(f"chunk_ms is {chunk_ms}: it must be from 1 to 60000")
        if max_queue_ms < chunk_ms:
            raise ValueError(f"max_queue_ms is {max_queue_ms}: it must hold a chunk of {chunk_ms} ms")
        if track not in ("inbound", "outbound", "both"):
            raise ValueError(f"track is {track!r}: it must be inbound, outbound or both")
        if encoding not in ("pcm16", "mulaw", "float32"):
            raise ValueError(f"encoding is {encoding!r}: it must be pcm16, mulaw or float32")
        if encoding == "mulaw" and rate_hz != g711.SAMPLE_RATE_HZ:
            raise ValueError(f"rate_hz is {rate_hz}: μ-law comes at 8000 only; ask for pcm16 or float32")
        self.track: Final = track
        self._rate_hz: Final = rate_hz
        channels = 2 if track == "both" else 1
        self._upsamplers: Final = (
            [] if rate_hz == g711.SAMPLE_RATE_HZ else [Upsampler(rate_hz) for _ in range(channels)]
        )
        self._encoding: Final = encoding
        self._chunk_samples: Final = chunk_ms * _SAMPLES_PER_MS
        # One chunk more than may wait, so that a bound of exactly one chunk never drops it.
        self._max_samples: Final = max_queue_ms * _SAMPLES_PER_MS + self._chunk_samples
        self._start_samples = start_samples
        self._main = bytearray()
        self._other = bytearray()
        self._fills: deque[tuple[int, int]] = deque()
        self._dropped_samples = 0
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._owner = owner
        self._pour_end: Callable[[], None] | None = None

    @property
    def is_payload(self) -> bool:
        """Whether what it hears can be played as it comes: what the phone says, at its own rate."""
        return self.track == "inbound" and not self._upsamplers

    @property
    def start_ms(self) -> int:
        """Where the next chunk begins on the stream's timeline, in milliseconds."""
        return self._start_samples // _SAMPLES_PER_MS

    # Filled by the session

    def push(self, main: bytes, other: bytes | None = None, *, filled: bool = False) -> int:
        """
        Append audio: ``main`` is the track itself, or the phone's with ``other`` the outbound.

        Returns:
            How many samples it needs for its next whole chunk.

        """
        buffer = self._main
        if filled:
            self._fills.append((self._start_samples + len(buffer), len(main)))
        buffer += main
        if other is not None:
            self._other += other
        length = len(buffer)
        if length >= self._chunk_samples:
            if length > self._max_samples:
                self._drop(length)
            waiter = self._waiter
            if waiter is not None:
                self._waiter = None
                if not waiter.done():
                    waiter.set_result(None)
        return self._chunk_samples - len(buffer) % self._chunk_samples

    def pour(self, take: Callable[[bytes], None], end: Callable[[], None]) -> None:
        """
        Give all audio, what waits first, to ``take`` as μ-law, synchronously, instead of to an iteration.

        This is how a listener is played: the frame is on its way back before its own callback returns.
        """
        self._end_pour()
        self._owner.poured(self, take)
        waiting = bytes(self._main)
        self._main.clear()
        self._pour_end = end
        if waiting:
            take(waiting)
        if self._ended:
            self._end_pour()

    def end(self) -> None:
        """No more audio will come; what is left is still delivered."""
        self._ended = True
        self._end_pour()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _drop(self, length: int) -> None:
        chunks = -(-(length - self._max_samples) // self._chunk_samples)
        samples = chunks * self._chunk_samples
        self._take(samples)
        self._dropped_samples += samples
        self._owner.dropped(samples)

    # Read by the sink

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> AudioChunk:
        while len(self._main) < self._chunk_samples:
            if self._ended:
                if self._main:
                    return self._chunk(len(self._main))
                self.close()
                raise StopAsyncIteration
            waiter = asyncio.get_running_loop().create_future()
            self._waiter = waiter
            await waiter
        return self._chunk(self._chunk_samples)

    def _end_pour(self) -> None:
        end, self._pour_end = self._pour_end, None
        if end is not None:
            end()

    def close(self) -> None:
        """Stop listening; nothing more is buffered."""
        self._ended = True
        self._end_pour()
        self._owner.detach(self)

    async def aclose(self) -> None:
        """As ``close``; lets ``contextlib.aclosing`` end a listener early."""
        self._main.clear()
        self._other.clear()
        self.close()

    def _chunk(self, samples: int) -> AudioChunk:
        start_samples = self._start_samples
        channels, filled_samples = self._take(samples)
        dropped_samples, self._dropped_samples = self._dropped_samples, 0
        return AudioChunk(
            start_samples,
            self._decoded(channels),
            self._encoding,
            len(channels),
            dropped_samples // _SAMPLES_PER_MS,
            filled_samples // _SAMPLES_PER_MS,
            self._rate_hz,
        )

    def _take(self, samples: int) -> tuple[list[bytes], int]:
        channels = [bytes(memoryview(self._main)[:samples])]
        del self._main[:samples]
        if self.track == "both":
            channels.append(bytes(self._other[:samples]))
            del self._other[:samples]
        self._start_samples += samples
        return channels, self._filled_until(self._start_samples) if self._fills else 0

    def _filled_until(self, end_samples: int) -> int:
        filled = 0
        while self._fills and self._fills[0][0] < end_samples:
            start, length = self._fills.popleft()
            inside = min(length, end_samples - start)
            filled += inside
            if inside < length:
                self._fills.appendleft((start + inside, length - inside))
                break
        return filled

    def _decoded(self, channels: list[bytes]) -> bytes:
        if self._upsamplers:
            decoded = zip(self._upsamplers, channels, strict=True)
            pcm = _interleaved([up.convert(g711.decode_ulaw(channel)) for up, channel in decoded])
        else:
            payload = channels[0] if len(channels) == 1 else g711.interleave_ulaw(*channels)
            if self._encoding == "mulaw":
                return payload
            pcm = g711.decode_ulaw(payload)
        if self._encoding == "pcm16":
            return pcm
        return (np.frombuffer(pcm, "<i2").astype("<f4") / np.float32(32768)).tobytes()


def _interleaved(channels: list[bytes]) -> bytes:
    if len(channels) == 1:
        return channels[0]
    return np.stack([np.frombuffer(channel, "<i2") for channel in channels], axis=1).tobytes()
