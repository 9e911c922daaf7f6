from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sip.telephone_event import DigitReader, DigitSender, EventPacket


def sent(digits: str, frames: int = 400, begin: int = 1000) -> list[tuple[int, EventPacket | None]]:
    sender = DigitSender()
    sender.press(digits)
    return [(frame, sender.next_frame(begin + 160 * frame)) for frame in range(frames)]


def packets(digits: str) -> list[EventPacket]:
    return [packet for _, packet in sent(digits) if packet is not None]


def test_a_press_begins_marked_grows_by_the_frame_and_ends_three_times() -> None:
    seen = packets("5")
    assert [packet.marker for packet in seen] == [True] + [False] * 6
    assert {packet.rtp_timestamp for packet in seen} == {1000}
    assert [packet.payload for packet in seen] == [
        bytes.fromhex(text)
        for text in ("050a00a0", "050a0140", "050a01e0", "050a0280", "058a0320", "058a0320", "058a0320")
    ]


def test_presses_are_apart_and_pauses_are_kept() -> None:
    begins = [frame for frame, packet in sent("1w1W1") if packet is not None and packet.marker]
    assert begins == [0, 34, 93], "nine frames for a digit, 25 and 50 for the pauses"
    assert len(packets("12")) == 14


def test_nothing_is_idle_until_the_last_pause_is_over() -> None:
    sender = DigitSender()
    sender.press("1")
    frames = 0
    while not sender.is_idle:
        sender.next_frame(0)
        frames += 1
    assert frames == 9
    assert sender.next_frame(0) is None


def test_digits_that_go_another_way_are_given_back_once() -> None:
    sender = DigitSender()
    sender.press("12w3")
    sender.next_frame(0)
    assert sender.drain() == "2w3"
    assert sender.is_idle


@pytest.mark.parametrize("digits", ["x", "1 2", "1" * 257])
def test_what_cannot_be_sent_is_refused_whole(digits: str) -> None:
    sender = DigitSender()
    with pytest.raises(ValueError):
        sender.press(digits)
    assert sender.is_idle


ALL = "0123456789*#ABCD"


def test_every_digit_is_read_as_it_was_sent() -> None:
    reader = DigitReader()
    assert (
        "".join(reader.feed(packet.payload, packet.rtp_timestamp) for packet in packets(ALL + "55"))
        == ALL + "55"
    )


@given(st.integers(0, 2**32), st.lists(st.integers(0, 6), min_size=2, max_size=2, unique=True))
def test_each_press_is_told_once_whatever_is_lost_repeated_or_swapped(seed: int, lost: list[int]) -> None:
    rng = random.Random(seed)  # noqa: S311
    reader = DigitReader()
    told = ""
    seen = packets("112")
    for press in range(3):
        kept = [packet for at, packet in enumerate(seen[7 * press : 7 * press + 7]) if at not in lost]
        kept += rng.choices(seen[: 7 * press + 7] if press < 2 else kept, k=3)
        for packet in sorted(kept, key=lambda packet: (packet.rtp_timestamp, rng.random())):
            told += reader.feed(packet.payload, packet.rtp_timestamp)
    assert told == "112"


def test_a_press_of_half_a_minute_is_one_press() -> None:
    reader = DigitReader()
    told = ""
    for segment in range(4):
        for frame in range(1, 410):
            duration = min(160 * frame, 0xFFFF)
            told += reader.feed(bytes([7, 10, duration >> 8, duration & 0xFF]), 5000 + 0xFFFF * segment)
    told += reader.feed(bytes.fromhex("078a0320"), 5000 + 0xFFFF * 4)
    assert told == "7"
    assert reader.feed(bytes.fromhex("070a00a0"), 5000 + 0xFFFF * 5) == "7", "after an end it is another"


def test_a_peer_without_any_sense_of_time_can_still_press_different_digits() -> None:
    reader = DigitReader()
    told = "".join(reader.feed(bytes([code, 0x8A, 3, 0x20]), 0) for code in (1, 1, 2, 2, 3))
    assert told == "123"


def test_other_events_and_stumps_are_counted_and_passed_over() -> None:
    reader = DigitReader()
    assert [reader.feed(payload, 1) for payload in (b"", b"\x01\x0a\0", b"\x10\x0a\0\xa0", b"\xff" * 9)] == [
        ""
    ] * 4
    assert reader.ignored == 4


@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 2**32 - 1)), max_size=50))
def test_any_payload_gives_a_digit_or_nothing(given_packets: list[tuple[bytes, int]]) -> None:
    reader = DigitReader()
    for payload, rtp_timestamp in given_packets:
        assert reader.feed(payload, rtp_timestamp) in {"", *ALL}
