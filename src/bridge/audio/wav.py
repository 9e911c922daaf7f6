"""
A WAV file that is valid on disk at every moment.

Audio is appended first, the header's two sizes are written after it: whoever reads the file in between,
or after a crash, finds a correct file that is at most one flush short. Bytes past the stated size are
ignored by players. Format: RIFF/WAVE as in the Microsoft multimedia specification; μ-law adds the
``fact`` chunk that it demands of every encoding but PCM.
"""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Sequence
from typing import BinaryIO, Final, Literal

from bridge.audio import g711
from bridge.errors import AudioError

Encoding = Literal["pcm16", "mulaw"]

_WAVE_FORMAT: Final = {"pcm16": 1, "mulaw": 7}
_SAMPLE_BYTES: Final = {"pcm16": 2, "mulaw": 1}
MAX_DATA_BYTES: Final = 0xFFFF_FFFF - 1024
"""RIFF sizes have 32 bits: 37 hours of stereo PCM16 at 8 kHz."""


class WavWriter:
    """
    Write one recording.

    Args:
        file: Seekable, opened for binary writing; stays the caller's to close.
        sample_rate_hz: Sampling rate.
        channels: Interleaved channels.
        encoding: ``pcm16`` (little-endian) or ``mulaw``.

    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        sample_rate_hz: int = g711.SAMPLE_RATE_HZ,
        channels: int = 1,
        encoding: Encoding = "pcm16",
    ) -> None:
        self._file = file
        self._block_bytes: Final = _SAMPLE_BYTES[encoding] * channels
        self._data_bytes = 0
        self._sample_rate_hz: Final = sample_rate_hz
        self._channels: Final = channels
        self._encoding: Final = encoding
        self._header_bytes = file.write(self._header())
        file.flush()

    @property
    def frames(self) -> int:
        """Samples per channel written so far."""
        return self._data_bytes // self._block_bytes

    def write(self, data: bytes) -> None:
        """
        Append whole sample blocks.

        Raises:
            AudioError: ``data`` ends inside a sample block, or the file would pass RIFF's 4 GiB.

        """
        if len(data) % self._block_bytes:
            raise AudioError(f"{len(data)} bytes are no whole number of {self._block_bytes}-byte blocks")
        if self._data_bytes + len(data) > MAX_DATA_BYTES:
            raise AudioError("a WAV file cannot be larger than 4 GiB")
        self._file.write(data)
        self._data_bytes += len(data)

    def flush(self) -> None:
        """Make what was written so far part of a valid file."""
        self._file.flush()  # the audio first: the header must never promise more than there is
        self._file.seek(0)
        self._file.write(self._header())
        self._file.seek(0, io.SEEK_END)
        self._file.flush()

    def close(self) -> None:
        """Flush, padding the data to an even length as RIFF demands; the file itself stays open."""
        if self._data_bytes % 2:
            self._file.write(b"\x00")
        self.flush()

    def _header(self) -> bytes:
        format_ = struct.pack(
            "<HHIIHH",
            _WAVE_FORMAT[self._encoding],
            self._channels,
            self._sample_rate_hz,
            self._sample_rate_hz * self._block_bytes,
            self._block_bytes,
            8 * _SAMPLE_BYTES[self._encoding],
        )
        if self._encoding == "pcm16":
            chunks = _chunk(b"fmt ", format_)
        else:
            chunks = _chunk(b"fmt ", format_ + b"\x00\x00")  # cbSize: no extension
            chunks += _chunk(b"fact", struct.pack("<I", self.frames))
        riff_bytes = 4 + len(chunks) + 8 + self._data_bytes + self._data_bytes % 2
        header = struct.pack("<4sI4s", b"RIFF", riff_bytes, b"WAVE") + chunks
        return header + struct.pack("<4sI", b"data", self._data_bytes)


def stream_header(sample_rate_hz: int, channels: int) -> bytes:
    """The header of PCM16 whose end nobody knows yet; players take the largest size for that."""
    unknown = 0xFFFF_FFFF
    format_ = struct.pack(
        "<HHIIHH", 1, channels, sample_rate_hz, sample_rate_hz * 2 * channels, 2 * channels, 16
    )
    head = struct.pack("<4sI4s", b"RIFF", unknown, b"WAVE") + _chunk(b"fmt ", format_)
    return head + struct.pack("<4sI", b"data", unknown)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", name, len(content)) + content


def read_pcm(file: BinaryIO, *, sample_rate_hz: int = g711.SAMPLE_RATE_HZ) -> bytes:
    """
    Read a mono PCM16 WAV file of the stated rate.

    Raises:
        AudioError: it is not a WAV file, or not of this shape; the message says how to convert it.

    """
    return read_any_rate(file, (sample_rate_hz,))[0]


def read_any_rate(file: BinaryIO, rates_hz: Sequence[int]) -> tuple[bytes, int]:
    """
    Read a mono PCM16 WAV file of one of these rates; gives the PCM and its rate.

    Raises:
        AudioError: as ``read_pcm``.

    """
    try:
        with wave.open(file) as reader:
            shape = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
            pcm: bytes = reader.readframes(reader.getnframes())
    except (wave.Error, EOFError) as error:
        raise AudioError(f"not a PCM WAV file ({error}); convert it: {_SOX}") from error
    if shape[:2] != (1, 2) or shape[2] not in rates_hz:
        wanted = " or ".join(map(str, rates_hz))
        raise AudioError(
            f"{shape[0]} channels of {8 * shape[1]} bits at {shape[2]} Hz, but 1 channel of 16 bits"
            f" at {wanted} Hz is needed; convert it: {_SOX}"
        )
    return pcm[: len(pcm) // 2 * 2], shape[2]


_SOX: Final = "sox in.wav -r 8000 -c 1 -b 16 out.wav"
