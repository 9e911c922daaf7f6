"""Reading a call's audio: chunks, bounds, fills, encodings, ends."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from bridge.audio import g711
from bridge.calls.call import Encoding, Track
from bridge.session.listener import Listener
from bridge.testing import settle

FRAME = bytes(range(160))


class Nobody:
    """Fills no listener, and does not care."""

    def detach(self, listener: Listener) -> None:
        pass

    def poured(self, listener: Listener, take: Callable[[bytes], None]) -> None:
        pass

    def dropped(self, samples: int) -> None:
        pass


def listener(
    *,
    track: Track = "inbound",
    chunk_ms: int = 20,
    encoding: Encoding = "mulaw",
    max_queue_ms: int = 5000,
    start_samples: int = 0,
) -> Listener:
    return Listener(
        track,
        chunk_ms=chunk_ms,
        encoding=encoding,
        max_queue_ms=max_queue_ms,
        start_samples=start_samples,
        owner=Nobody(),
    )


async def test_frames_come_as_chunks_of_the_length_asked_for_and_the_rest_at_the_end() -> None:
    reader = listener(chunk_ms=50)
    for _ in range(6):
        reader.push(FRAME)
    reader.end()
    chunks = [chunk async for chunk in reader]
    assert [chunk.samples_per_channel for chunk in chunks] == [400, 400, 160]
    assert [chunk.start_ms for chunk in chunks] == [0, 50, 100]
    assert b"".join(chunk.data for chunk in chunks) == FRAME * 6


async def test_a_reader_is_woken_once_per_chunk_and_not_per_frame() -> None:
    reader = listener(chunk_ms=100)
    waiting = asyncio.ensure_future(anext(reader))
    for _ in range(4):
        reader.push(FRAME)
        await settle(3)
        assert not waiting.done()
    reader.push(FRAME)
    assert (await waiting).duration_ms == 100


async def test_a_slow_reader_loses_its_oldest_and_is_told_how_much() -> None:
    reader = listener(chunk_ms=20, max_queue_ms=100)
    for n in range(20):
        reader.push(bytes([n]) * 160)
    chunk = await anext(reader)
    assert chunk.dropped_ms == 280
    assert chunk.start_ms == 280
    assert chunk.data == bytes([14]) * 160
    assert (await anext(reader)).dropped_ms == 0


async def test_silence_that_was_filled_in_is_told_per_chunk() -> None:
    reader = listener(chunk_ms=40, start_samples=160)
    reader.push(FRAME)
    reader.push(g711.ulaw_silence(800), filled=True)  # 100 ms, over four chunks
    reader.push(FRAME)
    reader.end()
    assert [chunk.filled_ms async for chunk in reader] == [20, 40, 40, 0]


async def test_two_tracks_come_aligned_left_and_right() -> None:
    reader = listener(track="both", encoding="pcm16")
    left, right = bytes([0x80]) * 160, bytes([0x00]) * 160
    reader.push(left, right)
    chunk = await anext(reader)
    assert chunk.channels == 2
    assert chunk.samples.shape == (160, 2)
    assert chunk.samples[0].tolist() == [32124, -32124]


async def test_every_encoding_says_the_same_thing() -> None:
    readers: list[Listener] = [listener(encoding=encoding) for encoding in ("mulaw", "pcm16", "float32")]
    for reader in readers:
        reader.push(FRAME)
    chunks = [await anext(reader) for reader in readers]
    reference = g711.decode_ulaw(FRAME)
    assert all(chunk.pcm == reference for chunk in chunks)
    floats = chunks[2].samples
    assert floats.dtype == np.float32
    assert np.allclose(floats, np.frombuffer(reference, "<i2") / 32768)
    assert chunks[0].level_dbfs == chunks[1].level_dbfs


async def test_reading_ends_with_the_stream_even_while_waiting() -> None:
    reader = listener()
    waiting = asyncio.ensure_future(anext(reader, None))
    await settle(3)
    reader.end()
    assert await waiting is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("chunk_ms", 0), ("chunk_ms", 60_001), ("max_queue_ms", 10), ("track", "left"), ("encoding", "opus")],
)
def test_impossible_arguments_are_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        listener(**{name: value})  # type: ignore[arg-type]
