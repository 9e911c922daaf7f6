from __future__ import annotations

import pytest

from bridge.carrier.sip.pressed import Pressed, Way
from bridge.testing import ManualClock

PRESSES: list[tuple[str, list[tuple[str, Way]]]] = [
    ("59", [("5", "event"), ("5", "info"), ("9", "event"), ("9", "info")]),
    ("59", [("5", "info"), ("5", "event"), ("9", "event"), ("9", "info")]),
    ("59", [("5", "event"), ("9", "event"), ("5", "info"), ("9", "info")]),
    ("59", [("5", "info"), ("9", "info"), ("5", "event"), ("9", "event")]),
    ("55", [("5", "event"), ("5", "event"), ("5", "info"), ("5", "info")]),
    ("55", [("5", "event"), ("5", "info"), ("5", "event"), ("5", "info")]),
    ("55", [("5", "info"), ("5", "event"), ("5", "event"), ("5", "info")]),
    ("AA", [("a", "info"), ("A", "event"), ("A", "info")]),
]


@pytest.mark.parametrize(("told", "came"), PRESSES)
def test_a_digit_sent_both_ways_is_told_once(told: str, came: list[tuple[str, Way]]) -> None:
    pressed = Pressed(ManualClock())
    for digit, way in came:
        pressed.add(digit, way)
    assert pressed.take() == told
    assert pressed.take() == ""


@pytest.mark.parametrize("way", ["event", "info"])
def test_a_digit_of_one_way_has_no_copies(way: Way) -> None:
    pressed = Pressed(ManualClock())
    for digit in "1155*#D":
        pressed.add(digit, way)
    assert pressed.take() == "1155*#D"


def test_a_copy_that_was_taken_meanwhile_is_still_one() -> None:
    pressed = Pressed(ManualClock())
    pressed.add("5", "event")
    assert pressed.take() == "5"
    pressed.add("5", "info")
    assert pressed.take() == ""


async def test_the_same_digit_much_later_is_another_press() -> None:
    clock = ManualClock()
    pressed = Pressed(clock)
    pressed.add("5", "event")
    await clock.advance(3.9)
    pressed.add("5", "info")
    assert pressed.take() == "5"
    pressed.add("5", "event")
    await clock.advance(4.1)
    pressed.add("5", "info")
    assert pressed.take() == "55"


@pytest.mark.parametrize("text", ["", "?", "12", "E"])
def test_what_is_no_digit_is_passed_over(text: str) -> None:
    pressed = Pressed(ManualClock())
    pressed.add(text, "info")
    assert pressed.waiting == ""


def test_more_than_anybody_presses_is_passed_over() -> None:
    pressed = Pressed(ManualClock())
    for _ in range(1_000):
        pressed.add("9", "event")
    assert len(pressed.waiting) == 256
