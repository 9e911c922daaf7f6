from __future__ import annotations

import pytest

from bridge.carrier.call.step import resolve, whole_number
from bridge.carrier.webhook.script import Script
from bridge.twilio.twiml import Element


def test_urls_are_relative_to_the_document() -> None:
    script = Script(url="https://a.example/voice/first?x=1")
    assert resolve(script, "second") == "https://a.example/voice/second"
    assert resolve(script, "/top#rc=2") == "https://a.example/top#rc=2"
    assert resolve(script, "http://b.example/") == "http://b.example/"
    assert resolve(Script(), "second") == "second"


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), (" 7 ", 7), ("0", None), ("-1", None), ("x", None), ("٣", None), ("9" * 20, None)],
)
def test_whole_numbers(text: str, number: int | None) -> None:
    assert whole_number(Element("Pause", {"length": text}), "length", 1, least=1) == number


def test_an_absent_number_is_the_default() -> None:
    assert whole_number(Element("Pause"), "length", 1, least=1) == 1
