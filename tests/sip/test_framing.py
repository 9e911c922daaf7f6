"""A stream of bytes, cut anywhere, gives the same messages."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import MalformedSip
from bridge.sip.framing import Framing
from tests.sip.messages import raw

OTHER = raw(("Content-Length: 4", "l :\r\n 0"), ("ding", ""))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_messages_and_pings_do_not_depend_on_how_the_stream_is_cut(places: list[int]) -> None:
    framing = Framing()
    stream = (
        b"\r\n\r\n" + raw() + OTHER + b"\r\n\r\n\r\n\r\n" + b"\r\n" + raw().replace(b"\r\n", b"\n") + OTHER
    )
    found = [message for piece in cut(stream, places) for message in framing.feed(piece)]
    assert found == [raw(), OTHER, raw().replace(b"\r\n", b"\n"), OTHER]
    assert framing.pings == 3


def test_a_stream_may_come_byte_by_byte() -> None:
    framing = Framing()
    found = [message for byte in raw() + OTHER for message in framing.feed(bytes([byte]))]
    assert found == [raw(), OTHER]
    assert framing.pings == 0


def test_a_single_line_end_is_no_ping() -> None:
    framing = Framing()
    assert framing.feed(b"\r\n") == []
    assert framing.feed(raw()) == [raw()]
    assert framing.pings == 0


@pytest.mark.parametrize(
    "line",
    [
        "X: 4",
        "Content-Length: four",
        "Content-Length: -4",
        "Content-Length:",
        "Content-Length: 4\r\nl: 5",
        "Content-Length: 65536",
        "Content-Length: 99999999999999999999",
        "Subject: x\r\n Content-Length: 4",
    ],
)
def test_a_message_without_one_length_ends_the_stream(line: str) -> None:
    with pytest.raises(MalformedSip) as caught:
        Framing().feed(raw(("Content-Length: 4", line)))
    assert caught.value.status is None


def test_good_messages_before_a_bad_one_are_not_lost() -> None:
    framing = Framing()
    assert framing.feed(raw() + b"no length\r\n\r\n") == [raw()]
    with pytest.raises(MalformedSip):
        framing.feed(raw())


def test_headers_without_an_end_are_not_kept_for_ever() -> None:
    framing = Framing()
    for _ in range(16):
        framing.feed(b"x" * 4096)
    with pytest.raises(MalformedSip):
        framing.feed(b"x")


@given(st.lists(st.binary(max_size=60) | st.just(raw()), max_size=20))
def test_any_stream_is_messages_or_malformed(pieces: list[bytes]) -> None:
    framing = Framing()
    found: list[bytes] = []
    with suppress(MalformedSip):
        for piece in pieces:
            found += framing.feed(piece)
    assert sum(map(len, found)) <= sum(map(len, pieces))
    assert all(b"\n\r\n" in message or b"\n\n" in message for message in found)
