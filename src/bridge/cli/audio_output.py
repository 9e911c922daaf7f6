"""Where a command's audio goes: a WAV file, standard output, or a program that plays it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from bridge.audio.wav import WavWriter, stream_header
from bridge.errors import BridgeError, ConfigurationError

PLAYERS: Final = {
    "ffplay": "-nodisp -autoexit -loglevel error -fflags nobuffer -f wav -i -",
    "play": "-q -t raw -e signed-integer -b 16 -L -r {rate} -c {channels} -",
    "aplay": "-q -t raw -f S16_LE -r {rate} -c {channels} -",
    "paplay": "--raw --format=s16le --rate={rate} --channels={channels}",
}
"""Programs that play what they are given on standard input, the best first."""

_FLUSH_MS: Final = 1000


class AudioOutput(Protocol):
    """Takes PCM16 as it comes."""

    def write(self, pcm: bytes) -> None:
        """Append; waits while the output is slow."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class WavFile:
    """A WAV file that is valid at every moment, at most a second short."""

    def __init__(self, path: Path, *, rate_hz: int, channels: int) -> None:
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise ConfigurationError(
                f"--output: {path} cannot be written: {error.strerror}. Name another file, or - for a pipe."
            ) from error
        self._writer = WavWriter(self._file, sample_rate_hz=rate_hz, channels=channels)
        self._flush_bytes: Final = rate_hz * channels * 2 * _FLUSH_MS // 1000
        self._unflushed_bytes = 0

    def write(self, pcm: bytes) -> None:
        self._writer.write(pcm)
        self._unflushed_bytes += len(pcm)
        if self._unflushed_bytes >= self._flush_bytes:
            self._writer.flush()
            self._unflushed_bytes = 0

    def close(self) -> None:
        self._writer.close()
        self._file.close()


class RawPipe:
    """Standard output; who reads it knows rate and channels."""

    def __init__(self, pipe: BinaryIO | None = None) -> None:
        self._pipe = pipe or sys.stdout.buffer

    def write(self, pcm: bytes) -> None:
        self._pipe.write(pcm)
        self._pipe.flush()

    def close(self) -> None:
        """Leave it open: it is not ours."""


class Player:
    """
    The first installed program of :data:`PLAYERS`.

    Raises:
        ConfigurationError: There is none.

    """

    def __init__(self, *, rate_hz: int, channels: int) -> None:
        found = next((name for name in PLAYERS if shutil.which(name)), None)
        if found is None:
            raise ConfigurationError(
                f"--play: none of {', '.join(PLAYERS)} is installed. Install ffmpeg, sox or alsa-utils,"
                " or pipe the audio elsewhere with --output -."
            )
        self._name = found
        words = PLAYERS[found].format(rate=rate_hz, channels=channels).split()
        self._process = subprocess.Popen([found, *words], stdin=subprocess.PIPE)  # noqa: S603  (of our own table)
        if found == "ffplay":  # its options for raw audio differ from version to version
            self.write(stream_header(rate_hz, channels))

    def write(self, pcm: bytes) -> None:
        """
        Append.

        Raises:
            BridgeError: The program has ended.

        """
        assert self._process.stdin is not None  # noqa: S101  (it was asked for)
        try:
            self._process.stdin.write(pcm)
            self._process.stdin.flush()
        except BrokenPipeError:
            code = self._process.wait()
            raise BridgeError(
                f"{self._name} has ended with exit code {code}; its message is above."
            ) from None

    def close(self) -> None:
        """Let it play what it has."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self._process.terminate()
            self._process.wait()
