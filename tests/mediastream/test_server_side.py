"""The server's end: every message, every state, everything that can be wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import LocalStreamError
from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import ServerStream, State, Unknown, Violation

ACCOUNT = "AC" + "a1" * 16
CALL = "CA" + "b2" * 16
STREAM = "MZ" + "c3" * 16
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
# As documented by Twilio, with a stream SID of full length.
MEDIA = (
    '{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d",'
    '"payload":"no+JhoaJjpzS"},"streamSid":"' + STREAM + '"}'
)


def start_message(**changes: object) -> str:
    body: dict[str, object] = {
        "accountSid": ACCOUNT,
        "streamSid": STREAM,
        "callSid": CALL,
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"FirstName": "Jane"},
    }
    return json.dumps({"event": "start", "sequenceNumber": "1", "start": body | changes, "streamSid": STREAM})


def opened() -> ServerStream:
    stream = ServerStream()
    stream.receive(CONNECTED)
    assert isinstance(stream.receive(start_message()), wire.Start)
    return stream


def violation(event: object) -> Violation:
    assert isinstance(event, Violation), event
    return event


def test_a_documented_conversation_from_connected_to_stop() -> None:
    stream = ServerStream()
    assert isinstance(stream.receive(CONNECTED), wire.Connected)
    assert stream.state.value == "connected"
    started = stream.receive(start_message())
    assert isinstance(started, wire.Start)
    assert started.start.customParameters == {"FirstName": "Jane"}
    assert stream.start == started.start
    media = stream.receive(MEDIA % (2, 1, 155))
    assert isinstance(media, wire.Media)
    assert (media.media.chunk, media.media.timestamp, media.sequenceNumber) == (1, 155, 2)
    assert media.media.payload == bytes.fromhex("9e8f898686898e9cd2")
    digit = stream.receive(
        f'{{"event":"dtmf","streamSid":"{STREAM}","sequenceNumber":"3","dtmf":{{"track":"inbound_track","digit":"1"}}}}'
    )
    assert isinstance(digit, wire.Dtmf)
    assert digit.dtmf.digit == "1"
    mark = stream.receive(
        f'{{"event":"mark","sequenceNumber":"4","streamSid":"{STREAM}","mark":{{"name":"x"}}}}'
    )
    assert isinstance(mark, wire.Mark)
    assert mark.mark.name == "x"
    stop = stream.receive(
        f'{{"event":"stop","sequenceNumber":"5","streamSid":"{STREAM}",'
        f'"stop":{{"accountSid":"{ACCOUNT}","callSid":"{CALL}"}}}}'
    )
    assert isinstance(stop, wire.Stop)
    assert stream.state is State.STOPPED
    assert stream.counters.violations == stream.counters.sequence_gaps == stream.counters.duplicates == 0


def test_start_without_connected_and_bare_numbers_are_taken() -> None:
    stream = ServerStream()
    assert isinstance(stream.receive(start_message().replace('"1"', "1")), wire.Start)
    bare = stream.receive((MEDIA % (2, 1, 155)).replace('"2"', "2").replace('"155"', "155"))
    assert isinstance(bare, wire.Media)
    assert bare.media.timestamp == 155


def test_fields_and_events_that_are_new_are_tolerated() -> None:
    stream = opened()
    media = stream.receive((MEDIA % (2, 1, 20)).replace('"media":{', '"new":{"a":1},"media":{"gain":2,'))
    assert isinstance(media, wire.Media)
    assert stream.receive('{"event":"weather","sky":"blue"}') == Unknown("weather")
    assert ServerStream().receive('{"event":"weather"}') == Unknown("weather")
    assert stream.counters.unknown == 1
    assert stream.counters.violations == 0


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ("hello", "not_json", 1007),
        ("", "not_json", 1007),
        ('{"event":"connected"', "not_json", 1007),
        ("[]", "no_event", 1008),
        ('{"type":"setup"}', "no_event", 1008),
        ('{"event":7}', "no_event", 1008),
        (MEDIA % (1, 1, 0), "out_of_order", 1008),
        ('{"event":"stop"}', "out_of_order", 1008),
        ('{"event":"start"}', "bad_shape", 1007),
        ('{"event":"media","media":{"payload":"no base64!"}}', "bad_shape", 1007),
        (start_message(streamSid="MZ123"), "bad_sid", 1008),
        (start_message(callSid="../../etc/passwd"), "bad_sid", 1008),
        (start_message(streamSid="MZ" + "d4" * 16), "wrong_stream", 1008),
        (start_message(customParameters={"a": 1}), "bad_shape", 1007),
        (start_message(mediaFormat={"encoding": "audio/x-alaw"}), "unsupported_format", 1008),
        (start_message(mediaFormat={"sampleRate": 16000}), "unsupported_format", 1008),
        ("x" * 65_537, "too_big", 1009),
    ],
)
def test_a_bad_first_message_closes_with_a_reason_that_helps(message: str, kind: str, code: int) -> None:
    stream = ServerStream()
    found = violation(stream.receive(message))
    assert (found.error.kind, found.close_code) == (kind, code)
    assert 10 < len(found.error.reason.encode()) <= 120, "it must fit a close frame"
    assert stream.state is State.FRESH


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("hello", "not_json"),
        (start_message(), "out_of_order"),
        (CONNECTED, "out_of_order"),
        ((MEDIA % (2, 1, 0)).replace(STREAM, "MZ" + "d4" * 16), "wrong_stream"),
        ('{"event":"media","media":{}}', "bad_shape"),
        ((MEDIA % (2, 1, 0)).replace('"chunk":"1"', '"chunk":"one"'), "bad_shape"),
    ],
)
def test_after_start_a_bad_message_is_counted_and_the_call_goes_on(message: str, kind: str) -> None:
    stream = opened()
    found = violation(stream.receive(message))
    assert (found.error.kind, found.close_code) == (kind, None)
    assert stream.counters.violations == 1
    assert isinstance(stream.receive(MEDIA % (2, 1, 20)), wire.Media)


def test_what_is_no_json_is_told_what_comes_next_only_where_something_does() -> None:
    stream = ServerStream()
    assert violation(stream.receive("hello")).error.reason.endswith('"connected",…}, then "start"')
    assert violation(opened().receive("hello")).error.reason == "not JSON"


def test_an_oversize_message_closes_even_an_open_stream() -> None:
    assert violation(opened().receive("x" * 65_537)).close_code == 1009


def test_binary_is_refused_before_start_and_counted_after_it() -> None:
    assert violation(ServerStream().receive_binary(160)).close_code == 1003
    assert violation(opened().receive_binary(160)).close_code is None


def test_nothing_is_legal_after_stop() -> None:
    stream = opened()
    stream.receive(f'{{"event":"stop","sequenceNumber":"2","streamSid":"{STREAM}"}}')
    found = violation(stream.receive(MEDIA % (3, 1, 20)))
    assert (found.error.kind, found.close_code) == ("out_of_order", None)


def test_missing_sequence_numbers_are_counted_and_a_digit_is_never_taken_twice() -> None:
    stream = opened()
    stream.receive(MEDIA % (2, 1, 20))
    stream.receive(MEDIA % (5, 4, 80))
    assert stream.counters.sequence_gaps == 2
    digit = f'{{"event":"dtmf","sequenceNumber":"6","streamSid":"{STREAM}","dtmf":{{"digit":"5"}}}}'
    assert isinstance(stream.receive(digit), wire.Dtmf)
    assert violation(stream.receive(digit)).error.kind == "duplicate"
    assert stream.counters.duplicates == 1


def test_one_absurd_sequence_number_loses_no_mark_no_digit_and_no_stop() -> None:
    stream = opened()
    stream.receive(MEDIA % (4_294_967_295, 1, 20))
    for number, body in (
        (3, '"event":"mark","mark":{"name":"m","new":1}'),
        (4, '"event":"dtmf","dtmf":{"digit":"5"}'),
    ):
        event = stream.receive(f'{{{body},"sequenceNumber":"{number}","streamSid":"{STREAM}"}}')
        assert isinstance(event, wire.Mark | wire.Dtmf)
    assert isinstance(
        stream.receive(f'{{"event":"stop","sequenceNumber":"4","streamSid":"{STREAM}"}}'), wire.Stop
    )


def test_a_repeated_frame_is_left_to_the_timeline() -> None:
    stream = opened()
    assert isinstance(stream.receive(MEDIA % (2, 1, 20)), wire.Media)
    assert isinstance(stream.receive(MEDIA % (2, 1, 20)), wire.Media)
    assert stream.counters.duplicates == 1


def test_what_we_send_is_exact_to_the_field() -> None:
    stream = opened()
    assert json.loads(stream.play(b"\xff\x7f")) == {
        "event": "media",
        "streamSid": STREAM,
        "media": {"payload": "/38="},
    }
    assert json.loads(stream.mark('a "b"')) == {
        "event": "mark",
        "streamSid": STREAM,
        "mark": {"name": 'a "b"'},
    }
    assert json.loads(stream.clear()) == {"event": "clear", "streamSid": STREAM}


@pytest.mark.parametrize("command", ["play", "mark", "clear"])
def test_commands_outside_an_open_stream_are_our_own_fault(command: str) -> None:
    arguments: dict[str, tuple[object, ...]] = {"play": (b"\xff",), "mark": ("x",), "clear": ()}
    with pytest.raises(LocalStreamError, match="fresh, not open"):
        getattr(ServerStream(), command)(*arguments[command])


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise(data: bytes) -> None:
    for stream in (ServerStream(), opened()):
        stream.receive(data)
        stream.receive(memoryview(data))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop", "clear"]),
    st.dictionaries(
        st.sampled_from(["streamSid", "sequenceNumber", "start", "media", "dtmf", "mark", "stop", "x"]), _JSON
    ),
)
def test_no_json_whatever_raises(event: str, fields: dict[str, object]) -> None:
    text = json.dumps({"event": event, **fields})
    for stream in (ServerStream(), opened()):
        stream.receive(text)


def test_numbers_of_absurd_length_do_not_raise() -> None:
    stream = opened()
    stream.receive((MEDIA % (2, 1, 7)).replace('"7"', '"' + "9" * 60_000 + '"'))
    assert isinstance(stream.receive(MEDIA % (3, 2, 40)), wire.Media)


def test_deep_nesting_does_not_raise() -> None:
    assert violation(ServerStream().receive("[" * 60_000)).close_code is not None
