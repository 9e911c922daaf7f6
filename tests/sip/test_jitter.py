from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.sip.jitter import SILENCE, JitterBuffer
from bridge.sip.ulaw_level import HALVED, QUIET, is_quiet

SSRC = 7


def frame(number: int) -> bytes:
    """A frame that says which one it is, at a level that no frame has which was made from another one."""
    return bytes([number & 15, 0x10 | number >> 4 & 15, 0x20 | number >> 8 & 15, 0x30]) * 40


def number_of(payload: bytes) -> int | None:
    low, middle, high, _ = payload[:4]
    if payload != payload[:4] * 40 or (low >> 4, middle >> 4, high >> 4, payload[3]) != (0, 1, 2, 0x30):
        return None
    return low | (middle & 15) << 4 | (high & 15) << 8


class Line:
    """A sender, a network and a listener in simulated time; all times in milliseconds."""

    def __init__(self, *, phase_ms: float = 5.0, begin: int = 0) -> None:
        self.buffer = JitterBuffer()
        self.phase_ms = phase_ms
        self.begin = begin
        self.heard: list[bytes] = []
        self.delays_ms: list[float] = []
        """From a sample's being spoken to its being heard, of each whole frame."""

    def run(
        self,
        frames: int,
        *,
        packet_ms: int = 20,
        late_ms: Callable[[int], float | None] = lambda _: 0.0,
        drift_ppm: float = 0.0,
    ) -> Line:
        """Say so many frames; ``late_ms`` gives each packet's way, ``None`` for one that is lost."""
        speed = 1 - drift_ppm / 1e6
        audio = b"".join(frame(number) for number in range(frames))
        size = packet_ms * 8
        coming = []
        for index in range(len(audio) // size):
            way_ms = late_ms(index)
            if way_ms is not None:
                coming.append(((index + 1) * packet_ms * speed + way_ms, index))
        coming.sort()
        coming.reverse()
        now_ms = self.phase_ms
        while now_ms <= 20 * frames * speed:
            while coming and coming[-1][0] <= now_ms:
                index = coming.pop()[1]
                self.buffer.push(
                    SSRC, (self.begin + index * size) % 2**32, audio[index * size : (index + 1) * size]
                )
            heard = self.buffer.pull()
            self.heard.append(heard)
            spoken = number_of(heard)
            if spoken is not None:
                cycle_ms = 4096 * 20 * speed
                self.delays_ms.append((now_ms - spoken * 20 * speed) % cycle_ms)
            now_ms += 20
        return self

    @property
    def numbers(self) -> list[int]:
        return [number for number in map(number_of, self.heard) if number is not None]


def ordered(numbers: list[int]) -> bool:
    return all((after - before) % 4096 in range(1, 50) for before, after in pairwise(numbers))


@pytest.mark.parametrize("phase_ms", [0.1, 5, 10, 15, 19.9])
@pytest.mark.parametrize("begin", [0, 2**32 - 1000])
def test_on_a_clean_line_mouth_to_ear_is_60_ms_at_most_the_packet_included(
    phase_ms: float, begin: int
) -> None:
    line = Line(phase_ms=phase_ms, begin=begin).run(1000)
    assert max(line.delays_ms) <= 60
    assert line.numbers == list(range(len(line.numbers)))
    assert len(line.numbers) >= 997
    assert line.buffer.counts.concealed == line.buffer.counts.late == 0


@pytest.mark.parametrize("packet_ms", [10, 30, 40, 60, 100])
def test_packets_of_any_length_are_cut_into_frames_without_a_seam(packet_ms: int) -> None:
    line = Line(begin=2**32 - 800).run(600, packet_ms=packet_ms)
    assert line.numbers == list(range(len(line.numbers)))
    assert len(line.numbers) >= 590
    assert max(line.delays_ms) <= packet_ms + 40
    assert line.buffer.counts.concealed == 0


@pytest.mark.parametrize("packet_ms", [10, 20, 30])
def test_jitter_of_40_ms_costs_delay_but_hardly_a_frame(packet_ms: int) -> None:
    rng = random.Random(1)  # noqa: S311
    line = Line().run(3000, packet_ms=packet_ms, late_ms=lambda _: rng.uniform(0, 40))
    assert ordered(line.numbers)
    assert len(line.numbers) >= 2985
    assert max(line.delays_ms[200:]) <= packet_ms + 40 + 80


def test_jitter_that_passes_leaves_no_delay_behind() -> None:
    rng = random.Random(2)  # noqa: S311
    line = Line().run(4000, late_ms=lambda index: rng.uniform(0, 60) if index < 1000 else 0.0)
    assert max(line.delays_ms[500:1000]) > 60
    assert max(line.delays_ms[-200:]) <= 60
    assert ordered(line.numbers)


def test_neighbours_that_change_places_are_put_in_order() -> None:
    line = Line().run(1000, late_ms=lambda index: 25.0 if index % 10 == 3 else 0.0)
    assert line.numbers[10:] == list(range(line.numbers[10], line.numbers[-1] + 1))
    assert line.buffer.counts.late <= 2


def test_a_lost_frame_is_filled_with_the_one_before_at_half_its_level_then_silence() -> None:
    line = Line().run(100, late_ms=lambda index: None if index in {10, 40, 41, 42, 43} else 0.0)
    at = line.heard.index(frame(9))
    assert line.heard[at + 1 : at + 3] == [frame(9).translate(HALVED), frame(11)]
    at = line.heard.index(frame(39))
    half = frame(39).translate(HALVED)
    assert line.heard[at + 1 : at + 6] == [half, half.translate(HALVED), SILENCE, SILENCE, frame(44)]
    assert line.buffer.counts.concealed >= 2


def test_five_percent_of_loss_costs_five_percent_and_no_delay() -> None:
    rng = random.Random(3)  # noqa: S311
    line = Line().run(5000, late_ms=lambda _: None if rng.random() < 0.05 else 0.0)
    assert len(line.numbers) >= 0.94 * 5000
    assert max(line.delays_ms) <= 60


@pytest.mark.parametrize("drift_ppm", [-200, 200])
def test_an_hour_with_a_clock_that_runs_wrong_stays_in_time(drift_ppm: float) -> None:
    line = Line().run(180_000, drift_ppm=drift_ppm)
    assert ordered(line.numbers)
    assert max(line.delays_ms) <= 90
    assert len(line.numbers) >= 180_000 * (1 - 3e-4)
    assert len(line.buffer._frames) <= 3


def test_a_standstill_loses_its_time_and_no_more() -> None:
    def way(index: int) -> float:
        return max(0.0, 500.0 - 20 * (index - 100)) if index >= 100 else 0.0

    line = Line().run(1000, late_ms=way)
    assert ordered(line.numbers)
    assert len(line.numbers) >= 1000 - 26 - 5
    assert max(line.delays_ms[300:]) <= 140
    assert max(line.delays_ms[-100:]) <= 60


def test_a_way_that_becomes_longer_is_followed_at_once() -> None:
    line = Line().run(1000, late_ms=lambda index: 150.0 if index >= 100 else 0.0)
    assert ordered(line.numbers)
    assert len(line.numbers) >= 1000 - 15
    assert line.buffer.counts.restarts <= 1


def test_a_pause_of_the_sender_is_silence_and_what_follows_is_in_time() -> None:
    line = Line().run(1000, late_ms=lambda index: None if 200 <= index < 400 else 0.0)
    assert line.numbers[-1] >= 997
    assert max(line.delays_ms) <= 60
    assert line.heard[210:400].count(SILENCE) >= 185


def fill(buffer: JitterBuffer, numbers: range, *, ssrc: int = SSRC, begin: int = 0) -> list[bytes]:
    heard = []
    for number in numbers:
        buffer.push(ssrc, (begin + 160 * number) % 2**32, frame(number))
        heard.append(buffer.pull())
    return heard


def test_another_source_starts_all_over() -> None:
    buffer = JitterBuffer()
    fill(buffer, range(50))
    heard = fill(buffer, range(200, 250), ssrc=8, begin=123_456_789)
    assert heard[1:] == [frame(number) for number in range(200, 249)]


def test_a_sender_that_sets_its_time_anew_is_followed_after_three_packets() -> None:
    for begin in (2**31 + 77, 2**32 - 16_000, 1_000_003):
        buffer = JitterBuffer()
        fill(buffer, range(200))
        heard = fill(buffer, range(300, 350), begin=begin - 300 * 160)
        assert [number for number in map(number_of, heard) if number is not None and number >= 300][-1] == 348
        assert len([payload for payload in heard if (number_of(payload) or 0) >= 300]) >= 45


def test_one_packet_from_nowhere_costs_a_few_frames_at_most() -> None:
    buffer = JitterBuffer()
    fill(buffer, range(100))
    buffer.push(SSRC, 2**30, frame(999))
    heard = fill(buffer, range(100, 200))
    assert [number_of(payload) for payload in heard[10:]] == list(range(109, 199))


def test_packets_that_come_twice_are_heard_once() -> None:
    buffer = JitterBuffer()
    heard = []
    for number in range(100):
        for _ in range(2):
            buffer.push(SSRC, 160 * number, frame(number))
        if number > 5:
            buffer.push(SSRC, 160 * (number - 5), frame(number - 5))
        heard.append(buffer.pull())
    assert heard[1:] == [frame(number) for number in range(99)]
    assert buffer.counts.repeated >= 90
    assert buffer.counts.late == 0


def test_nobody_listening_costs_a_bounded_store_and_the_first_who_does_hears_the_newest() -> None:
    buffer = JitterBuffer()
    for number in range(1000):
        buffer.push(SSRC, 160 * number, frame(number))
        assert buffer.stored_ms <= 340
    buffer.catch_up()
    assert buffer.pull() == frame(998)
    assert buffer.pull() == frame(999)
    buffer.catch_up()
    assert buffer.stored_ms == 0


def test_a_frame_to_leave_out_is_taken_from_a_quiet_place() -> None:
    buffer = JitterBuffer()
    for number in range(2):  # a frame or two more than are needed
        buffer.push(SSRC, 160 * number, frame(number))
    heard = []
    for number in range(2, 500):
        buffer.push(SSRC, 160 * number, SILENCE if number == 250 else frame(number))
        heard.append(buffer.pull())
    numbers = [number for number in map(number_of, heard) if number is not None]
    missing = set(range(numbers[0], numbers[-1])) - set(numbers)
    assert 250 in missing
    assert buffer.counts.left_out <= 3


def test_nothing_heard_yet_is_silence() -> None:
    buffer = JitterBuffer()
    assert buffer.pull() == SILENCE
    buffer.catch_up()
    buffer.push(SSRC, 0, b"")
    buffer.push(SSRC, 0, b"\0" * 5000)
    assert buffer.pull() == SILENCE


packet = st.tuples(
    st.integers(0, 2),
    st.integers(0, 2**32 - 1) | st.integers(0, 40).map(lambda n: n * 80),
    st.integers(0, 1600),
)


@settings(max_examples=200)
@given(st.lists(packet | st.none(), max_size=200))
def test_whatever_comes_frames_go_out_and_the_store_is_bounded(
    steps: list[tuple[int, int, int] | None],
) -> None:
    buffer = JitterBuffer()
    for step in steps:
        if step is None:
            assert len(buffer.pull()) == 160
        else:
            ssrc, rtp_timestamp, length = step
            buffer.push(ssrc, rtp_timestamp, b"\x11" * length)
            assert len(buffer._frames) <= 40
    for _ in range(60):
        buffer.pull()
    assert buffer._frames == {}, "nothing is left behind off the grid"


def test_half_of_a_level_is_six_decibels_and_silence_is_quiet() -> None:
    assert HALVED[0xFF] == 0xFF
    assert HALVED[0x80] == 0x90, "the loudest, one segment lower"
    assert HALVED[0x00] == 0x10
    assert is_quiet(SILENCE)
    assert not is_quiet(frame(1))
    assert {0xFF, 0x7F} <= set(QUIET) <= {code for code in range(256) if code & 0x70 >= 0x50}
