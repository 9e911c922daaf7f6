"""
Any ordinary WAV file as μ-law at 8 kHz, the only thing a phone line carries.

Read: PCM of 8, 16, 24 or 32 bits, 32-bit float, μ-law and A-law; any number of channels (averaged) and
any sampling rate. A mono file at 8 kHz is never resampled, so its samples reach the line exactly: μ-law
untouched, PCM16 encoded once. Format: RIFF/WAVE as in the Microsoft multimedia specification.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bridge.audio.g711 import SAMPLE_RATE_HZ, decode_alaw, decode_ulaw, encode_ulaw
from bridge.errors import AudioError

_PCM: Final = 1
_FLOAT: Final = 3
_A_LAW: Final = 6
_MU_LAW: Final = 7
_EXTENSIBLE: Final = 0xFFFE

_CUT_OFF_HZ: Final = 3800.0
"""Below the half of 8 kHz, so that the filter's slope ends before it."""

_ZERO_CROSSINGS: Final = 32
_BLOCK_ROWS: Final = 4096


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    sample_rate_hz: int
    bits: int


def ulaw_from_wav(data: bytes) -> bytes:
    """
    Decode a whole WAV file.

    Args:
        data: The file's content. A ``data`` chunk cut short, or of unknown length as programs that write
            to a pipe leave it, is read as far as it goes.

    Returns:
        One byte per sample at 8000 Hz.

    Raises:
        AudioError: it is not a WAV file, or of a format that is not listed above.

    """
    format_, content = _parse(data)
    if (format_.channels, format_.sample_rate_hz) == (1, SAMPLE_RATE_HZ):
        if format_.tag == _MU_LAW:
            return content
        if format_.tag == _PCM and format_.bits == 16:
            return encode_ulaw(content)
    samples = _samples(format_, content)
    samples = samples.reshape(-1, format_.channels).mean(axis=1)
    if format_.sample_rate_hz != SAMPLE_RATE_HZ:
        samples = _resampled(samples, format_.sample_rate_hz)
    pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
    return encode_ulaw(pcm)


def _parse(data: bytes) -> tuple[_Format, bytes]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AudioError("not a WAV file: it does not begin with RIFF … WAVE")
    format_: _Format | None = None
    for name, content in _chunks(data):
        if name == b"fmt ":
            format_ = _read_format(content)
        elif name == b"data":
            if format_ is None:
                raise AudioError("not a WAV file: its data comes before its format")
            block_bytes = format_.channels * format_.bits // 8
            return format_, content[: len(content) // block_bytes * block_bytes]
    raise AudioError("not a WAV file: it has no data")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        position += 8
        yield name, data[position : position + size]
        position += size + size % 2  # chunks are padded to even lengths


def _read_format(content: bytes) -> _Format:
    if len(content) < 16:
        raise AudioError("not a WAV file: its format is cut short")
    tag, channels, sample_rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", content)
    if tag == _EXTENSIBLE and len(content) >= 26:
        (tag,) = struct.unpack_from("<H", content, 24)  # the sub-format's first two bytes are the tag
    known = {_PCM: (8, 16, 24, 32), _FLOAT: (32,), _A_LAW: (8,), _MU_LAW: (8,)}
    if bits not in known.get(tag, ()):
        raise AudioError(f"WAV format {tag} of {bits} bits is not read; convert it: sox in.wav -b 16 out.wav")
    if not 1 <= channels <= 64 or not 1000 <= sample_rate_hz <= 768_000:
        raise AudioError(f"impossible WAV file: {channels} channels at {sample_rate_hz} Hz")
    return _Format(tag, channels, sample_rate_hz, bits)


def _samples(format_: _Format, content: bytes) -> NDArray[np.float64]:
    """Interleaved samples between -1 and 1."""
    if format_.tag == _FLOAT:
        return np.nan_to_num(np.frombuffer(content, "<f4").astype(np.float64))
    if format_.tag in (_MU_LAW, _A_LAW):
        pcm = decode_ulaw(content) if format_.tag == _MU_LAW else decode_alaw(content)
        return np.frombuffer(pcm, "<i2") / 32768
    if format_.bits == 8:
        return (np.frombuffer(content, np.uint8) - 128.0) / 128  # the only unsigned one
    if format_.bits == 24:
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        return padded.view("<i4").ravel() / 2.0**31
    return np.frombuffer(content, f"<i{format_.bits // 8}") / 2.0 ** (format_.bits - 1)


def _resampled(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """
    To 8 kHz, by a windowed sinc that cuts off below half of the lower rate. For whole files, not streams.

    Output sample n lies at n * rate / 8000 in the input; the place between two input samples repeats every
    ``phases`` outputs, so that many filters are enough, each applied every ``step`` input samples.
    """
    count = len(samples) * SAMPLE_RATE_HZ // rate_hz
    divisor = math.gcd(rate_hz, SAMPLE_RATE_HZ)
    step, phases = rate_hz // divisor, SAMPLE_RATE_HZ // divisor
    cut_off_hz = min(_CUT_OFF_HZ, rate_hz / 2 * 0.95)
    half_s = _ZERO_CROSSINGS / (2 * cut_off_hz)
    reach = int(half_s * rate_hz) + 1
    offsets = np.arange(-reach, reach + 1)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (reach, reach + 1)), len(offsets))
    result = np.empty(count)
    for phase in range(min(phases, count)):
        at = phase * rate_hz / SAMPLE_RATE_HZ
        nearest = round(at)
        distance_s = (nearest + offsets - at) / rate_hz
        window = np.cos(np.clip(distance_s / half_s, -1, 1) * np.pi / 2) ** 2
        weights = np.sinc(2 * cut_off_hz * distance_s) * window
        weights /= weights.sum()
        rows = windows[nearest::step]
        outputs = result[phase::phases]
        for first in range(0, len(outputs), _BLOCK_ROWS):  # a block at a time: a product copies its rows
            block = outputs[first : first + _BLOCK_ROWS]
            block[:] = rows[first : first + len(block)] @ weights
    return result
