"""
How late a caller hears himself: the delay of the carrier and the server, told by a real phone.

Measured is the way there and back: baresip says short bursts of a tone, a call of it goes through the carrier
to the server's ``echo`` sink, and the bursts come back. baresip writes each packet it sends, and each it
hears, to a file of its own at that moment; how the two files grow gives the time of every sample, to about
two milliseconds. Its jitter buffer is off. What is left of its own delay is the same in a call with sipp,
which sends each packet back as it comes, and is subtracted.
"""

from __future__ import annotations

import asyncio
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pytest

from bridge.audio.tone import tone
from tests.peers.sip.baresip import Baresip, Phone
from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import Plan, Site
from tests.peers.sip.spectrum import read
from tests.peers.sip.speech_file import LEVEL_DBFS

pytestmark = pytest.mark.peers

MOST_MS: Final = 60.0
"""Mouth to ear, one way; the echo goes it twice."""

LISTENS_S: Final = 8.0
LEAST_BURSTS: Final = 8

_BURST_EVERY_MS: Final = 803
"""
No multiple of a packet, so the bursts begin everywhere in one; and longer than any echo can be late: the
jitter buffer holds 320 ms at most, the sink 400 ms.
"""

_BURST_MS: Final = 100
_LOUD: Final = 0.05
_FRAME_SAMPLES: Final = 160
_RATE_HZ: Final = 8_000
_HEADER_BYTES: Final = 44
_LOOKS_EVERY_S: Final = 0.001


def bursts_wav(folder: Path) -> Path:
    """Write 20 s of silence in which a burst of a tone begins every ``_BURST_EVERY_MS``."""
    burst = tone([1_000], _BURST_MS, level_dbfs=LEVEL_DBFS)
    silence = bytes(2 * _RATE_HZ * (_BURST_EVERY_MS - _BURST_MS) // 1_000)
    path = folder / "bursts.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes((silence + burst) * (20_000 // _BURST_EVERY_MS))
    return path


@dataclass(slots=True)
class Growth:
    """
    A WAV file that is being written.

    Attributes:
        path: It.
        seen: When it was found to hold how many samples, oldest first.

    """

    path: Path
    seen: list[tuple[float, int]] = field(default_factory=list)

    def look(self, now_s: float) -> None:
        """See whether it has grown."""
        samples = (self.path.stat().st_size - _HEADER_BYTES) // 2
        if not self.seen or samples > self.seen[-1][1]:
            self.seen.append((now_s, samples))

    def onsets_s(self) -> list[float]:
        """Say when each burst began: when its packet was written, and where in the packet it began."""
        loud = np.flatnonzero(np.abs(read(self.path)[0]) > _LOUD)
        apart = _BURST_EVERY_MS * _RATE_HZ // 1_000 // 2
        onsets = [int(loud[0])] + [int(after) for before, after in pairwise(loud) if after - before > apart]
        return [self._written_s(at) + at % _FRAME_SAMPLES / _RATE_HZ for at in onsets]

    def _written_s(self, at: int) -> float:
        return next(now_s for now_s, samples in self.seen if samples > at)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[tuple[Growth, Growth]]:
    """Watch what the only phone below this folder says and hears, from when both files are there."""
    async with asyncio.timeout(10):
        while len(files := sorted(folder.glob("baresip-*/dump-*.wav"), reverse=True)) < 2:
            await asyncio.sleep(_LOOKS_EVERY_S)
    said, heard = (Growth(path) for path in files)  # …-enc.wav, …-dec.wav

    async def look() -> None:
        while True:
            now_s = asyncio.get_running_loop().time()
            said.look(now_s)
            heard.look(now_s)
            await asyncio.sleep(_LOOKS_EVERY_S)

    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        try:
            yield said, heard
        finally:
            looking.cancel()


async def round_trips_ms(folder: Path, far: str) -> list[float]:
    """Call somebody who echoes, and give how long each burst was on its way."""
    folder.mkdir()
    async with Baresip.running(folder, bursts_wav(folder), Phone(buffers=False)) as phone:
        await phone.dial(far)
        async with watched(folder) as (said, heard):
            await phone.hears(LISTENS_S)
        await phone.hang_up()
        await phone.event("CALL_CLOSED")
        await phone.heard()  # its header is written last
    back = heard.onsets_s()
    there = [at_s for at_s in said.onsets_s() if at_s <= back[-1]]
    # An echo comes before the next burst is said: each belongs to the last one before it.
    trips = [1_000 * (at_s - max(began_s for began_s in there if began_s <= at_s + 0.01)) for at_s in back]
    assert len(trips) >= LEAST_BURSTS, f"said at {there}, heard at {back}"
    return trips


async def test_mouth_to_ear_takes_at_most_60_ms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Sipp.running(tmp_path, Traffic("uas_echo", echo=True)) as mirror:
        own_ms = await round_trips_ms(tmp_path / "mirror", mirror.uri)
        await mirror.succeeds()
    async with Site.running(tmp_path, Plan(sinks='[[sinks]]\nuse = "echo"\n')) as site:
        trips_ms = await round_trips_ms(tmp_path / "carrier", site.uri("hello"))
        site.assert_unharmed()
    there_and_back_ms = median(trips_ms) - median(own_ms)
    told = (
        f"there and back {there_and_back_ms:.1f} ms: {median(trips_ms):.1f} ms by the carrier "
        f"({min(trips_ms):.1f} to {max(trips_ms):.1f}, {len(trips_ms)} bursts), "
        f"{median(own_ms):.1f} ms by a mirror"
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")
    assert 0 < there_and_back_ms <= 2 * MOST_MS, told
