"""Ten minutes of a tone sweep over a bad line, recorded: every sample in its place, no drift."""

from __future__ import annotations

import asyncio
import random
import wave
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.audio.g711 import decode_ulaw, encode_ulaw
from bridge.sinks.recording_file import WRITER
from bridge.sinks.registry import bind_all
from bridge.testing import settle
from tests.session.test_session import Phone

FRAMES = 30_000
FRAME = 160
STEP_MS = 19.97
"""What real streams were seen to stamp for 20 ms of audio."""


def sweep() -> bytes:
    """From 200 to 3400 Hz in ten minutes, as μ-law; no two places of it are alike."""
    time_s = np.arange(FRAMES * FRAME) / 8000
    phase = 2 * np.pi * (200 * time_s + (3400 - 200) / (2 * time_s[-1]) * time_s**2)
    return encode_ulaw(np.rint(9000 * np.sin(phase)).astype("<i2").tobytes())


@dataclass
class Line:
    """
    What becomes of each frame on its way, by a script made of one seed.

    Attributes:
        lost: Frames that never come, single ones and runs of up to nine seconds.
        late: Frames that come after the one that follows them.
        twice: Frames that come a second time, up to five frames later.

    """

    seed: int
    lost: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    twice: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311
        number = 10
        while number < FRAMES - 1000:
            number += self.random.randint(5, 120)
            fate = self.random.random()
            if fate < 0.5:
                run = self.random.choice((1, 1, 1, 2, 3, 10, 50))
                self.lost.update(range(number, number + run))
                number += run
            elif fate < 0.7:
                self.late.add(number)
            else:
                self.twice.add(number)
        for start in (4000, 15_000, 27_000):
            self.lost.update(range(start, start + 449))
        self.late -= self.lost | {number - 1 for number in self.lost}
        self.twice -= self.lost | self.late

    def deliver(self, audio: bytes, phone: Phone) -> list[list[bytes]]:
        """Give the messages in the order in which they come, in bursts during which no time passes."""
        first_ms = self.random.randint(57, 171)
        arriving: list[tuple[float, bytes]] = []
        for number in range(FRAMES):
            at_ms = first_ms + STEP_MS * number + self.random.uniform(-4, 4)
            message = phone.twilio.media(audio[number * FRAME : (number + 1) * FRAME], round(at_ms))
            if number not in self.lost:
                arriving.append((number + (1.5 if number in self.late else 0), message))
            if number in self.twice:
                arriving.append((number + self.random.choice((0.1, 1.1, 5.1)), message))
        ordered = [message for _, message in sorted(arriving, key=lambda entry: entry[0])]
        bursts = []
        while ordered:
            size = self.random.choice((1, 2, 10, 50, 400))
            bursts.append(ordered[:size])
            del ordered[:size]
        return bursts


async def record(line: Line, audio: bytes, directory: Path) -> tuple[Path, Phone]:
    phone = Phone(grace_s=60)
    loop = asyncio.get_running_loop()
    run = asyncio.ensure_future(phone.session.run(bind_all([("wav", {"directory": directory})])))
    for burst in line.deliver(audio, phone):
        await phone.clock.advance(0.02 * len(burst))
        for message in burst:
            phone.takes(message)
        for _ in range(len(burst) // 20):
            # A turn of the writer for each half second of audio, or more would wait than the sink keeps.
            await loop.run_in_executor(WRITER, lambda: None)
            await settle(3)
    phone.stops()
    await run
    return phone.session.record.recordings[0], phone


def left_channel(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        samples: NDArray[np.int16] = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        return samples[:, 0]


def lag_samples(recorded: NDArray[Any], sent: NDArray[Any]) -> int:
    """By how many samples ``recorded`` comes later than ``sent``, at most 400 either way."""
    a, b = recorded.astype(float), sent[400:-400].astype(float)
    return int(np.argmax(np.correlate(a, b))) - 400


@pytest.mark.parametrize("seed", [1, 2])
async def test_after_ten_minutes_of_a_bad_line_each_sample_of_the_sweep_is_at_its_place(
    seed: int, tmp_path: Path
) -> None:
    audio, line = sweep(), Line(seed)
    path, phone = await record(line, audio, tmp_path)
    recorded, sent = left_channel(path), np.frombuffer(decode_ulaw(audio), "<i2")

    assert len(recorded) == len(sent) == FRAMES * FRAME, "the drift is 0 samples"
    wrong = (recorded != sent).reshape(FRAMES, FRAME).any(axis=1)
    missing = line.lost | line.late
    assert set(np.flatnonzero(wrong)) <= missing
    assert not recorded.reshape(FRAMES, FRAME)[sorted(missing)].any(), "lost places are silence"
    for start in (0, FRAMES * FRAME - 8000):
        assert lag_samples(recorded[start : start + 8000], sent[start : start + 8000]) == 0

    counters = phone.session.record.counters
    assert counters.samples == FRAMES * FRAME
    assert counters.filled_ms == 20 * len(missing)
    assert counters.late == len(line.late)
    assert counters.duplicates == len(line.twice)
    assert (counters.re_anchors, counters.violations, counters.dropped_ms) == (0, 0, 0)
    assert len(line.lost) > 2000
    assert len(line.late) > 30


def test_the_measure_sees_a_drift_of_one_sample() -> None:
    sent = np.frombuffer(decode_ulaw(sweep()[-8000 * 60 :]), "<i2")
    for drift in (-1, 0, 1, 160):
        assert lag_samples(np.roll(sent, drift)[-9000:-1000], sent[-9000:-1000]) == drift
