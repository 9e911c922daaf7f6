"""Recordings and codecs as sox and ffmpeg see them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from bridge.audio import g711
from tests.peers.program import program
from tests.sinks.test_wav import SAID, record

pytestmark = pytest.mark.peers


def output(*command: str, given: bytes = b"") -> bytes:
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("encoding", "decode"), [("mu-law", g711.decode_ulaw), ("a-law", g711.decode_alaw)])
def test_sox_decodes_every_code_to_the_same_value(encoding: str, decode: object) -> None:
    assert callable(decode)
    codes = bytes(range(256))
    raw = ("-t", "raw", "-r", "8000", "-c", "1")
    pcm = output(
        *(program("sox"), *raw, "-e", encoding, "-b", "8", "-", *raw, "-e", "signed", "-b", "16", "-L", "-"),
        given=codes,
    )
    assert pcm == decode(codes)


async def test_sox_reads_the_left_channel_sample_for_sample(tmp_path: Path) -> None:
    path = await record(tmp_path)
    left = output(program("sox"), str(path), "-t", "raw", "-e", "signed", "-b", "16", "-L", "-", "remix", "1")
    assert left == g711.decode_ulaw(SAID)
    assert output(program("soxi"), "-s", str(path)).strip() == str(len(SAID)).encode()
    assert output(program("soxi"), "-c", str(path)).strip() == b"2"


async def test_ffmpeg_reads_the_whole_file_without_a_complaint(tmp_path: Path) -> None:
    path = await record(tmp_path)
    # -xerror ends at the first complaint.
    pcm = output(program("ffmpeg"), "-v", "error", "-xerror", "-i", str(path), "-f", "s16le", "-")
    assert len(pcm) == len(SAID) * 4


@pytest.mark.parametrize(("track", "channels"), [("both", 2), ("inbound", 1), ("mix", 1)])
async def test_sox_and_ffmpeg_read_mu_law_recordings_to_the_last_sample(
    tmp_path: Path, track: str, channels: int
) -> None:
    path = await record(tmp_path, options={"track": track, "encoding": "mulaw"})
    assert output(program("soxi"), "-e", str(path)).strip() == b"u-law"
    assert output(program("soxi"), "-s", str(path)).strip() == str(len(SAID)).encode()
    read = (
        output(program("sox"), str(path), "-t", "raw", "-e", "signed", "-b", "16", "-L", "-"),
        output(program("ffmpeg"), "-v", "error", "-xerror", "-i", str(path), "-f", "s16le", "-"),
    )
    for pcm in read:
        samples = np.frombuffer(pcm, "<i2").reshape(-1, channels)
        assert samples[:, 0].tobytes() == g711.decode_ulaw(SAID)
        assert not samples[:, 1:].any()
