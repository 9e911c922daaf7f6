"""Readers of single values: from JSON and from forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import field as fields
from bridge.calls.field import Reader
from bridge.errors import InvalidField

READERS: dict[str, Reader] = {
    "text": fields.text(5),
    "pattern": fields.pattern("[0-9]+", "Send digits."),
    "whole": fields.whole(1, 600, "seconds"),
    "flag": fields.flag,
    "choice": fields.choice("Enable", "DetectMessageEnd"),
    "words": fields.words("initiated", "ringing"),
    "url": fields.url,
    "parameters": fields.parameters,
    "names": fields.names,
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        ("text", "a b", "a b"),
        ("pattern", "42", "42"),
        ("whole", 1, 1),
        ("whole", 600, 600),
        ("whole", "30", 30),
        ("flag", False, False),
        ("flag", "True", True),
        ("choice", "enable", "Enable"),
        ("choice", "DetectMessageEnd", "DetectMessageEnd"),
        ("words", ["ringing", "ringing"], ["ringing"]),
        ("words", "initiated, ringing", ["initiated", "ringing"]),
        ("words", "Initiated ringing", ["initiated", "ringing"]),
        ("url", "https://example.com", "https://example.com"),
        ("url", "http://u:p@localhost:5050/a%20b?c=d#rc=2", "http://u:p@localhost:5050/a%20b?c=d#rc=2"),
        ("url", "http://[::1]:80/", "http://[::1]:80/"),
        ("parameters", {"a": "1", "b": ""}, {"a": "1", "b": ""}),
        ("names", ["wav", "log", "wav"], ("wav", "log")),
        ("names", "wav, my.sink", ("wav", "my.sink")),
        ("names", [], ()),
    ],
)
def test_good_values(reader: str, value: object, expected: object) -> None:
    assert READERS[reader]("f", value) == expected


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("text", ""),
        ("text", "123456"),
        ("text", "a\n"),
        ("text", 5),
        ("pattern", "42\n"),
        ("pattern", "４２"),
        ("pattern", 42),
        ("whole", 0),
        ("whole", 601),
        ("whole", 30.0),
        ("whole", True),
        ("whole", "3 0"),
        ("whole", "９"),
        ("whole", "9" * 5000),
        ("whole", "-1"),
        ("flag", 1),
        ("flag", "yes"),
        ("choice", "enabled"),
        ("choice", True),
        ("words", []),
        ("words", ""),
        ("words", ["answered"]),
        ("words", [1]),
        ("words", {"ringing": True}),
        ("url", "example.com"),
        ("url", "ftp://example.com/"),
        ("url", "file:///etc/passwd"),
        ("url", "http://"),
        ("url", "http://user@/"),
        ("url", "https://exa mple.com/"),
        ("url", "https://exämple.com/"),
        ("url", "https://my_host/"),
        ("url", "https://h:99999/"),
        ("url", "https://h:0/"),
        ("url", "http://[::1/"),
        ("url", "https://h/\r\nX: y"),
        ("url", "https://h/" + "a" * 4000),
        ("url", None),
        ("parameters", [["a", "1"]]),
        ("parameters", {"": "1"}),
        ("parameters", {"a": 1}),
        ("parameters", {"a": None}),
        ("parameters", {"bridge_token": "x"}),
        ("parameters", "a=1"),
        ("names", "wav;log"),
        ("names", ["../wav"]),
        ("names", [1]),
        ("names", 1),
    ],
)
def test_bad_values(reader: str, value: object) -> None:
    with pytest.raises(InvalidField) as raised:
        READERS[reader]("some_field", value)
    assert raised.value.field.startswith("some_field")
    assert raised.value.fault.endswith(".")
    assert raised.value.fix[-1] in ".}"


@pytest.mark.parametrize("reader", ["text", "pattern"])
@pytest.mark.parametrize(
    ("value", "what"),
    [
        (5, "a number"), (0.5, "a number"), (True, "true or false"), (["a"], "a list"), ({}, "an object"),
        (None, "null"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_called_what_it_is(reader: str, value: object, what: str) -> None:
    with pytest.raises(InvalidField) as raised:
        READERS[reader]("to", value)
    assert raised.value.fault == f"it is {what}, not text."


def test_a_bad_parameter_is_named() -> None:
    with pytest.raises(InvalidField) as raised:
        fields.parameters("parameters", {"good": "1", "bad": 2})
    assert raised.value.field == "parameters.bad"


@given(st.sampled_from(sorted(READERS)), json_values)
def test_any_json_is_a_value_or_an_invalid_field(reader: str, value: object) -> None:
    try:
        once = READERS[reader]("f", value)
    except InvalidField:
        return
    as_sent = list(once) if isinstance(once, tuple) else once
    assert READERS[reader]("f", as_sent) == once
