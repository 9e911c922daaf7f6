"""What a sink is, and what its options may be."""

import pytest

from bridge import Call, sink
from bridge.errors import ConfigurationError
from bridge.sinks.sink import describe, marked


@sink("loudness")
async def loudness(call: Call, *, window_ms: int = 1000, name: str) -> None:
    """Print how loud it is."""


def test_a_marked_function_carries_its_name_options_and_summary() -> None:
    found = marked(loudness)
    assert found is not None
    assert (found.name, found.summary) == ("loudness", "Print how loud it is.")
    assert found.bind({"name": "x"}).options == {"window_ms": 1000, "name": "x"}


def test_options_are_converted_by_their_types() -> None:
    found = marked(loudness)
    assert found is not None
    assert found.bind({"name": "x", "window_ms": "250"}).options["window_ms"] == 250


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "name: Field required"),
        ({"name": "x", "window_ms": "soon"}, "window_ms: Input should be a valid integer"),
        ({"name": "x", "colour": 1}, "colour: Extra inputs"),
    ],
)
def test_wrong_options_are_named_with_what_there_is(options: dict[str, object], fault: str) -> None:
    found = marked(loudness)
    assert found is not None
    with pytest.raises(ConfigurationError, match=fault) as caught:
        found.bind(options)
    assert "Its options: window_ms, name" in str(caught.value)


def test_what_is_no_sink_is_refused_when_it_is_marked() -> None:
    def plain(call: Call) -> None: ...

    async def nothing() -> None: ...

    async def positional(call: Call, window_ms: int) -> None: ...

    for function, message in (
        (plain, "async def"),
        (nothing, "first parameter"),
        (positional, "keyword-only"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            describe("bad", function)


def test_a_bare_mark_says_what_to_write() -> None:
    async def greet(call: Call) -> None:
        """Do nothing."""

    with pytest.raises(ConfigurationError, match=r'write @sink\("greet"\)'):
        sink(greet)  # type: ignore[call-overload]
