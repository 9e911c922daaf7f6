"""Twilio's end: what leaves is what Twilio documents, what comes is judged as Twilio judges it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import LocalStreamError
from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import ServerStream
from bridge.mediastream.twilio_side import Fault, TwilioStream

START = wire.StartBody(
    accountSid="AC" + "a1" * 16,
    callSid="CA" + "b2" * 16,
    streamSid="MZ" + "c3" * 16,
    customParameters={"x": "1"},
)


def opened() -> TwilioStream:
    stream = TwilioStream(START)
    stream.open()
    return stream


def test_the_first_two_messages_are_exact() -> None:
    connected, start = TwilioStream(START).open()
    assert json.loads(connected) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert json.loads(start) == {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": START.accountSid,
            "callSid": START.callSid,
            "streamSid": START.streamSid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"x": "1"},
        },
        "streamSid": START.streamSid,
    }


def test_every_later_message_counts_on_and_writes_its_numbers_as_strings() -> None:
    stream = opened()
    assert json.loads(stream.media(b"\xff\x7f", 155)) == {
        "event": "media",
        "sequenceNumber": "2",
        "media": {"track": "inbound", "chunk": "1", "timestamp": "155", "payload": "/38="},
        "streamSid": START.streamSid,
    }
    assert json.loads(stream.dtmf("#")) == {
        "event": "dtmf",
        "sequenceNumber": "3",
        "dtmf": {"track": "inbound_track", "digit": "#"},
        "streamSid": START.streamSid,
    }
    assert json.loads(stream.mark("m"))["mark"] == {"name": "m"}
    assert json.loads(stream.media(b"", 175))["media"]["chunk"] == "2"
    assert json.loads(stream.stop()) == {
        "event": "stop",
        "sequenceNumber": "6",
        "stop": {"accountSid": START.accountSid, "callSid": START.callSid},
        "streamSid": START.streamSid,
    }
    with pytest.raises(LocalStreamError):
        stream.media(b"", 195)


def test_nothing_leaves_before_the_start() -> None:
    with pytest.raises(LocalStreamError):
        TwilioStream(START).media(b"\xff", 0)


def test_the_server_s_side_understands_all_of_it() -> None:
    sender, receiver = TwilioStream(START), ServerStream()
    for message in (
        *sender.open(),
        sender.media(b"\x01", 101),
        sender.dtmf("1"),
        sender.mark("a"),
        sender.stop(),
    ):
        receiver.receive(message)
    assert receiver.start == START
    assert receiver.counters.violations == receiver.counters.sequence_gaps == 0


def test_legal_messages_of_a_server() -> None:
    stream = opened()
    sid = START.streamSid
    media = stream.receive(f'{{"event":"media","streamSid":"{sid}","media":{{"payload":"/38="}}}}')
    assert isinstance(media, wire.PlayMedia)
    assert media.media.payload == b"\xff\x7f"
    mark = stream.receive(f'{{"event":"mark","streamSid":"{sid}","mark":{{"name":"m"}}}}')
    assert isinstance(mark, wire.SetMark)
    assert isinstance(stream.receive(f'{{"event":"clear","streamSid":"{sid}"}}'), wire.Clear)


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        "[]",
        '{"event":"dance","streamSid":"SID"}',
        '{"event":"media","media":{"payload":""}}',
        '{"event":"media","stream_sid":"SID","media":{"payload":""}}',
        '{"event":"media","streamSid":"SID","media":{"payload":"","track":"outbound"}}',
        '{"event":"media","streamSid":"SID","sequenceNumber":"1","media":{"payload":""}}',
        '{"event":"media","streamSid":"SID","media":{"payload":"no base64!"}}',
        '{"event":"media","streamSid":"MZ0","media":{"payload":""}}',
        '{"event":"mark","streamSid":"SID","mark":"m"}',
        '{"event":"mark","streamSid":"SID","mark":{}}',
        '{"event":"clear","streamSid":"SID","extra":1}',
    ],
)
def test_what_twilio_would_refuse_is_error_31951(message: str) -> None:
    found = opened().receive(message.replace("SID", START.streamSid))
    assert isinstance(found, Fault)
    assert found.code == 31951


def test_each_code_is_told_once_per_stream() -> None:
    stream = opened()
    assert [stream.receive("x"), stream.receive_binary(), stream.receive("y"), stream.receive_binary()] == [
        Fault(31951, "invalid message: JSON is malformed: invalid character (byte 0)", first=True),
        Fault(31950, "binary message; only text is decoded", first=True),
        Fault(31951, "invalid message: JSON is malformed: invalid character (byte 0)", first=False),
        Fault(31950, "binary message; only text is decoded", first=False),
    ]


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_nothing_raises(data: bytes | str) -> None:
    opened().receive(data)
