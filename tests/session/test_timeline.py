"""Where audio belongs: the rules of the timeline, one by one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.session.timeline import DROP, Numbering, Timeline

FRAME = 160


def feed(timeline: Timeline, frames: list[tuple[int, int]]) -> list[int]:
    return [timeline.place(chunk, timestamp_ms, FRAME) for chunk, timestamp_ms in frames]


def test_the_first_frame_is_position_0_whatever_its_timestamp() -> None:
    for first_ms in (0, 57, 171, 999_999_999, -5):
        timeline = Timeline()
        assert feed(timeline, [(1, first_ms), (2, first_ms + 20)]) == [0, 0]
        assert timeline.position_samples == 2 * FRAME


def test_contiguous_chunks_are_never_a_gap_however_the_timestamps_wander() -> None:
    timeline = Timeline()
    wander = [100, 180, 181, 182, 183, 390, 400, 410, 500]
    assert feed(timeline, list(enumerate(wander, 1))) == [0] * 9
    assert timeline.irregular.gaps == 0


@pytest.mark.parametrize("lost", [1, 2, 10, 499])
def test_missing_chunks_are_filled_by_their_timestamps(lost: int) -> None:
    timeline = Timeline()
    start = [(n, 100 + 20 * n) for n in range(1, 11)]
    after = [(11 + lost, 100 + 20 * (11 + lost))]
    assert feed(timeline, start + after)[-1] == lost * FRAME
    assert timeline.position_samples == (11 + lost) * FRAME
    assert timeline.irregular.filled_samples == lost * FRAME


def test_the_grid_follows_the_real_pace_so_that_an_hour_later_a_gap_is_still_measured_right() -> None:
    timeline = Timeline()
    for n in range(1, 180_001):  # an hour of steps of 19.97 ms: 5.4 s less than the nominal pace
        timeline.place(n, round(100 + 19.97 * n), FRAME)
    assert timeline.place(180_004, round(100 + 19.97 * 180_004), FRAME) == 3 * FRAME
    assert timeline.irregular.gaps == 1


def test_jitter_of_some_milliseconds_does_not_change_a_gap() -> None:
    random_ = random.Random(7)  # noqa: S311
    timeline = Timeline()
    lost = 0
    expected = 0
    for n in range(1, 20_001):
        if random_.random() < 0.02:
            lost += 1
            continue
        jitter_ms = random_.uniform(-4, 4)
        timeline.place(n, round(150 + 19.97 * n + jitter_ms), FRAME)
        expected = n
    assert timeline.position_samples == expected * FRAME
    assert timeline.irregular.filled_samples == (lost - (20_000 - expected)) * FRAME


def test_a_jump_of_more_than_ten_seconds_is_counted_and_not_filled() -> None:
    timeline = Timeline()
    assert feed(timeline, [(1, 100), (2, 120), (9, 20_000), (10, 20_020), (12, 20_060)]) == [
        0,
        0,
        0,
        0,
        FRAME,
    ]
    assert timeline.irregular.re_anchors == 1


def test_a_jump_back_starts_a_new_grid() -> None:
    timeline = Timeline()
    assert feed(timeline, [(1, 50_000), (2, 50_020), (3, 100), (4, 120), (6, 160)]) == [0, 0, 0, 0, FRAME]
    assert timeline.irregular.re_anchors == 1


def test_what_came_before_is_dropped_and_told_apart_from_what_came_too_late() -> None:
    timeline = Timeline()
    placed = feed(timeline, [(1, 100), (2, 120), (2, 120), (5, 180), (4, 160), (3, 140), (1, 100), (6, 200)])
    assert placed == [0, 0, DROP, 2 * FRAME, DROP, DROP, DROP, 0]
    assert (timeline.irregular.duplicates, timeline.irregular.late) == (2, 2)
    assert timeline.position_samples == 6 * FRAME


@pytest.mark.parametrize("absurd_ms", [10**30, -(10**30), 2**63, 10**400, -(10**400)])
def test_absurd_timestamps_lose_no_audio(absurd_ms: int) -> None:
    timeline = Timeline()
    assert feed(timeline, [(1, 100), (2, absurd_ms), (3, 140), (4, 160)]) == [0, 0, 0, 0]
    assert timeline.position_samples == 4 * FRAME


def test_frames_of_any_length_are_placed_one_after_the_other() -> None:
    timeline = Timeline()
    assert [timeline.place(1, 0, 80), timeline.place(2, 10, 800), timeline.place(3, 110, 0)] == [0, 0, 0]
    assert timeline.position_samples == 880


def test_without_chunk_and_timestamp_everything_is_contiguous() -> None:
    timeline = Timeline()
    assert [timeline.place(0, None, FRAME) for _ in range(3)] == [0, 0, 0]


def test_chunk_numbers_over_both_tracks_are_no_gaps_under_jitter() -> None:
    numbering = Numbering()
    inbound, outbound = Timeline("inbound", numbering), Timeline("outbound", numbering)
    for n in range(100):
        jitter_ms = 14 if n % 3 else 0
        assert inbound.place(2 * n + 1, 100 + 20 * n + jitter_ms, FRAME) == 0
        assert outbound.place(2 * n + 2, 100 + 20 * n, FRAME) == 0


def test_a_loss_is_seen_though_chunks_count_per_track_and_the_other_track_fits_by_chance() -> None:
    numbering = Numbering()
    inbound, outbound = Timeline("inbound", numbering), Timeline("outbound", numbering)
    for n in range(1, 6):
        assert inbound.place(n, 100 + 20 * n, FRAME) == 0
        assert outbound.place(n, 100 + 20 * n, FRAME) == 0
    outbound.place(6, 220, FRAME)
    assert inbound.place(7, 240, FRAME) == FRAME


@pytest.mark.parametrize("lost", [449, 480, 499])
@pytest.mark.parametrize("step_ms", [19.97, 20.03])
def test_a_long_gap_is_filled_to_the_frame_though_the_real_pace_is_not_20_ms(
    lost: int, step_ms: float
) -> None:
    timeline = Timeline()
    for n in range(1, 101):
        timeline.place(n, round(100 + step_ms * n), FRAME)
    after = 101 + lost
    assert timeline.place(after, round(100 + step_ms * after), FRAME) == lost * FRAME


@pytest.mark.parametrize(("chunk", "missing"), [(14, 3), (16, 3), (100, 3), (10**400, 3), (13, 2)])
def test_a_chunk_is_believed_only_where_the_timestamp_all_but_agrees(chunk: int, missing: int) -> None:
    timeline = Timeline()
    feed(timeline, [(n, 100 + 20 * n) for n in range(1, 11)])
    late_ms = 0 if chunk != 13 else -12
    assert timeline.place(chunk, 100 + 20 * 14 + late_ms, FRAME) == missing * FRAME


def test_chunks_that_count_over_both_tracks_are_not_believed_as_frames_of_one() -> None:
    numbering = Numbering()
    inbound, outbound = Timeline("inbound", numbering), Timeline("outbound", numbering)
    for n in range(5):
        inbound.place(2 * n + 1, 100 + 20 * n, FRAME)
        outbound.place(2 * n + 2, 100 + 20 * n, FRAME)
    # Numbers 11, 12 and 13 are lost, of which 11 and 13 were ours; 14 is the other's.
    assert outbound.place(14, 100 + 20 * 6, FRAME) == FRAME
    assert inbound.place(15, 100 + 20 * 7, FRAME) == 2 * FRAME


NUMBERS = st.integers(-(10**6), 10**6) | st.integers() | st.just(10**400) | st.just(-(10**400))
"""Some near each other, some absurd."""


@given(st.lists(st.tuples(st.booleans(), NUMBERS, st.none() | NUMBERS, st.integers(0, 8000)), max_size=60))
def test_no_numbers_break_it_and_each_message_fills_ten_seconds_at_most(
    messages: list[tuple[bool, int, int | None, int]],
) -> None:
    numbering = Numbering()
    tracks = (Timeline("inbound", numbering), Timeline("outbound", numbering))
    for is_outbound, chunk, timestamp_ms, samples in messages:
        timeline = tracks[is_outbound]
        before = timeline.position_samples
        gap_samples = timeline.place(chunk, timestamp_ms, samples)
        if gap_samples == DROP:
            assert timeline.position_samples == before
        else:
            assert 0 <= gap_samples <= 10_000 * 8
            assert gap_samples % FRAME == 0
            assert timeline.position_samples == before + gap_samples + samples
    for timeline in tracks:
        assert timeline.position_samples >= timeline.irregular.filled_samples >= 0


@given(
    st.integers(0, 200),
    st.floats(19.95, 20.05),
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=20, max_size=400),
)
def test_every_frame_that_comes_is_where_its_number_says_whatever_was_lost_before_it(
    first_ms: int, step_ms: float, line: list[tuple[bool, int]]
) -> None:
    timeline = Timeline()
    for index, (is_lost, jitter_ms) in enumerate(line):
        if is_lost and index:
            continue
        at_ms = round(first_ms + step_ms * index + jitter_ms)
        assert timeline.place(index + 1, at_ms, FRAME) != DROP
        assert timeline.position_samples == (index + 1) * FRAME
