"""What becomes of ``play``: audio of any kind to segments of μ-law, live sources driven to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final, Literal

from bridge.audio import g711, tone
from bridge.calls.call import AudioChunk, Playable
from bridge.session.listener import Listener
from bridge.session.playout import Playout
from bridge.session.segment import Segment

log = logging.getLogger(__name__)

_QUEUE_SAMPLES: Final = 16_000
"""An iterator without ``max_queue_ms`` is asked for more only while less than two seconds wait."""

PlayEncoding = Literal["pcm16", "mulaw"]
_PAUSE_MS: Final = {"w": 500, "W": 1000}


def to_ulaw(audio: Playable, encoding: PlayEncoding) -> bytes:
    """
    Make μ-law of whatever is to be played.

    Raises:
        ValueError: two channels, or half a sample.

    """
    if isinstance(audio, AudioChunk):
        if audio.channels != 1:
            raise ValueError("a chunk of two channels cannot be played; listen to one track")
        return audio.data if audio.encoding == "mulaw" else g711.encode_ulaw(audio.pcm)
    return bytes(audio) if encoding == "mulaw" else g711.encode_ulaw(audio)


async def drive(
    source: AsyncIterator[Playable], segment: Segment, playout: Playout, encoding: PlayEncoding
) -> None:
    """
    Feed a segment from its iterator until either ends.

    A segment that ends first (``clear``, the end of the call) cancels the iterator where it waits. What the
    iterator raises belongs to whoever awaits ``finished()``, and to nobody else: this never fails.
    """
    task = asyncio.current_task()
    if task is not None:
        segment.when_ended(task.cancel)
    try:
        async for audio in source:
            segment.put(to_ulaw(audio, encoding))
            playout.release()
            segment.trim()
            await segment.wait_for_room(_QUEUE_SAMPLES)
    except (Exception, SystemExit) as error:  # noqa: BLE001
        log.warning("the audio being played failed: %s: %s", type(error).__name__, error)
        segment.fail(error)
    finally:
        segment.when_ended(None)
        segment.complete = True
        playout.release()
        await _close(source)


async def _close(source: AsyncIterator[Playable]) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        try:
            await close()
        except Exception:
            log.exception("closing the audio that was played failed")


def pour(source: Listener, segment: Segment, playout: Playout) -> None:
    """Play what a listener hears, without a task: μ-law in, μ-law out, nothing is decoded."""

    def take(payload: bytes) -> None:
        segment.put(payload)
        playout.release()
        segment.trim()

    def end() -> None:
        segment.complete = True
        playout.release()

    source.pour(take, end)
    segment.when_ended(source.close)  # also keeps the listener alive while it plays


def digit_tones(digits: str) -> bytes:
    """
    The μ-law of a digit string: 100 ms of tone, 100 ms of silence each (``w`` 500 ms, ``W`` 1 s).

    Raises:
        ValueError: a character that is no digit; the message names it.

    """
    pieces: list[bytes] = []
    for digit in digits:
        if digit in _PAUSE_MS:
            pieces.append(g711.ulaw_silence(8 * _PAUSE_MS[digit]))
        elif digit.upper() in tone.DTMF_HZ:
            pieces += (g711.encode_ulaw(tone.dtmf(digit)), g711.ulaw_silence(800))
        else:
            raise ValueError(f"{digit!r} is no digit; there are 0-9, *, #, A-D, w and W")
    return b"".join(pieces)
