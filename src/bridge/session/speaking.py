"""What becomes of ``play``: audio of any kind to segments of μ-law, live sources driven to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final, Literal

from bridge.audio import g711, tone
from bridge.audio.resample import Downsampler
from bridge.calls.call import AudioChunk, Playable
from bridge.session.listener import Listener
from bridge.session.live_voice import LiveVoice
from bridge.session.playout import Playout
from bridge.session.segment import Segment

log = logging.getLogger(__name__)

_QUEUE_SAMPLES: Final = 16_000
"""An iterator without ``max_queue_ms`` is asked for more only while less than two seconds wait."""

PlayEncoding = Literal["pcm16", "mulaw"]
_PAUSE_MS: Final = {"w": 500, "W": 1000}


class Source:
    """
    Turns one ``play``'s audio into μ-law, keeping the resampling filter between its pieces.

    Raises:
        AudioError: there is no such rate.
        ValueError: μ-law at another rate than 8000.

    """

    def __init__(self, encoding: PlayEncoding, rate_hz: int) -> None:
        if encoding == "mulaw" and rate_hz != g711.SAMPLE_RATE_HZ:
            raise ValueError(f"rate_hz is {rate_hz}: μ-law can be played at 8000 only")
        self._encoding = encoding
        self._rate_hz = rate_hz
        self._filter = None if rate_hz == g711.SAMPLE_RATE_HZ else Downsampler(rate_hz)

    def to_ulaw(self, audio: Playable) -> bytes:
        """
        Make μ-law of whatever is to be played; a chunk brings its own rate and encoding.

        Raises:
            ValueError: two channels, or half a sample.

        """
        if isinstance(audio, AudioChunk):
            if audio.channels != 1:
                raise ValueError("a chunk of two channels cannot be played; listen to one track")
            if audio.encoding == "mulaw":
                return audio.data
            self._adopt(audio.rate_hz)
            pcm = audio.pcm
        elif self._encoding == "mulaw":
            return bytes(audio)
        else:
            pcm = bytes(audio)
        if self._filter is not None:
            if len(pcm) % 2:
                raise ValueError(f"pcm has {len(pcm)} bytes: 16-bit samples need an even number")
            pcm = self._filter.convert(pcm)
        return g711.encode_ulaw(pcm)

    def finish(self) -> bytes:
        """The end that the filter still holds."""
        return b"" if self._filter is None else g711.encode_ulaw(self._filter.finish())

    def _adopt(self, rate_hz: int) -> None:
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._filter = None if rate_hz == g711.SAMPLE_RATE_HZ else Downsampler(rate_hz)


async def drive(audio: AsyncIterator[Playable], segment: Segment, playout: Playout, source: Source) -> None:
    """
    Feed a segment from its iterator until either ends.

    A segment that ends first (``clear``, the end of the call) cancels the iterator where it waits. What the
    iterator raises belongs to whoever awaits ``finished()``, and to nobody else: this never fails.
    """
    task = asyncio.current_task()
    if task is not None:
        segment.when_ended(task.cancel)
    try:
        async for piece in audio:
            if segment.fate != "playing":
                break  # an iterator that never waits would never notice that it is cancelled
            segment.put(source.to_ulaw(piece))
            playout.release()
            segment.trim()
            await segment.wait_for_room(_QUEUE_SAMPLES)
        segment.put(source.finish())
    except (Exception, SystemExit) as error:  # noqa: BLE001
        log.warning("the audio being played failed: %s: %s", type(error).__name__, error)
        segment.fail(error)
    finally:
        segment.when_ended(None)
        segment.complete = True
        playout.release()
        await _close(audio)


async def _close(audio: AsyncIterator[Playable]) -> None:
    close = getattr(audio, "aclose", None)
    if close is not None:
        try:
            await close()
        except Exception:
            log.exception("closing the audio that was played failed")


def pour(source: Listener, voice: LiveVoice, playout: Playout) -> None:
    """Play what a listener hears, without a task: μ-law in, μ-law out, nothing is decoded."""
    segment = voice.segment

    def end() -> None:
        if segment.fate != "playing":
            return  # it was ended and has closed the listener, not the other way round
        segment.complete = True
        playout.release()

    source.pour(voice.pass_on, end)
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
