from __future__ import annotations

import pytest

from bridge.carrier.stream.playback import MAX_QUEUED_BYTES, SILENCE, Playback

A = b"\x01" * 160
B = b"\x02" * 160


def test_nothing_queued_is_silence() -> None:
    playback = Playback()
    assert playback.tick() == (b"\xff" * 160, ())
    assert playback.heard_frames == 0


def test_audio_is_played_in_order_one_frame_at_a_time_whatever_its_size() -> None:
    playback = Playback()
    assert playback.play(A[:100])
    assert playback.play(A[100:] + B + b"\x03" * 40)
    assert playback.queued_ms == 45
    assert [playback.tick()[0] for _ in range(4)] == [A, B, b"\x03" * 40 + SILENCE[40:], SILENCE]
    assert playback.heard_frames == 3
    assert playback.queued_ms == 0


def test_a_mark_on_an_empty_queue_is_reached_at_once() -> None:
    playback = Playback()
    assert playback.mark("m") is True
    assert playback.tick() == (SILENCE, ())


def test_a_mark_is_reached_when_all_before_it_has_been_played_and_not_before() -> None:
    playback = Playback()
    playback.play(A + B)
    assert playback.mark("end") is False
    assert playback.tick() == (A, ())
    assert playback.tick() == (B, ())  # given to the phone, which needs 20 ms to play it
    assert playback.tick() == (SILENCE, ("end",))


def test_a_mark_waits_for_the_frame_that_is_being_played() -> None:
    playback = Playback()
    playback.play(A)
    playback.tick()
    assert playback.mark("m") is False
    assert playback.tick() == (SILENCE, ("m",))


def test_marks_between_audio_keep_their_places() -> None:
    playback = Playback()
    playback.play(A)
    playback.mark("1")
    playback.mark("2")
    playback.play(B)
    playback.mark("3")
    assert [playback.tick()[1] for _ in range(4)] == [(), ("1", "2"), ("3",), ()]


def test_marks_are_never_echoed_before_an_earlier_one() -> None:
    playback = Playback()
    playback.play(A)
    playback.mark("first")
    playback.tick()
    assert playback.mark("second") is False
    assert playback.tick()[1] == ("first", "second")


def test_clear_drops_the_queue_and_returns_the_waiting_marks_in_order() -> None:
    playback = Playback()
    playback.play(A)
    playback.mark("1")
    playback.play(B)
    playback.mark("2")
    playback.tick()
    assert playback.clear() == ["1", "2"]
    assert playback.clear() == []
    assert playback.tick() == (SILENCE, ())
    assert playback.mark("after") is True
    playback.play(B)
    playback.mark("new")
    assert [playback.tick() for _ in range(2)] == [(B, ()), (SILENCE, ("new",))]


def test_ten_minutes_fit_and_not_a_sample_more() -> None:
    playback = Playback()
    assert MAX_QUEUED_BYTES == 4_800_000
    assert playback.play(bytes(MAX_QUEUED_BYTES))
    assert playback.queued_ms == 600_000
    assert not playback.play(b"\x00")
    playback.tick()
    assert playback.play(bytes(160))
    assert not playback.play(b"\x00")


def test_waiting_marks_are_bounded() -> None:
    playback = Playback(max_marks=2)
    playback.play(A)
    assert [playback.mark(str(number)) for number in range(3)] == [False, False, None]
    playback.tick()
    assert playback.tick()[1] == ("0", "1")


@pytest.mark.parametrize("size", [1, 7, 160, 161, 4000])
def test_every_byte_is_played_once_however_it_was_cut(size: int) -> None:
    audio = bytes(index % 251 for index in range(8000))
    playback = Playback()
    for start in range(0, len(audio), size):
        playback.play(audio[start : start + size])
    assert b"".join(playback.tick()[0] for _ in range(50)) == audio
    assert playback.heard_frames == 50
