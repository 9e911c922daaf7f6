from __future__ import annotations

import asyncio
import base64
import wave
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from bridge.audio.g711 import decode_ulaw
from bridge.carrier.phone import speech
from bridge.carrier.phone.wav_phone import WavPhone
from tests.carrier.media_stage import ManualClock
from tests.carrier.stream_stage import (
    ACCOUNT_SID,
    CALL_SID,
    STREAM_SID,
    TIMEOUT_S,
    past_the_opening,
    streaming,
)

SILENCE = b"\xff" * 160
A = b"\x01" * 160
B = b"\x02" * 160


async def test_the_upgrade_request_is_twilios_to_the_header() -> None:
    async with streaming(signature="c2ln") as stage:
        sent = stage.server.request
        assert sent is not None
        assert sent.path == "/media-stream"
        headers = {name.lower(): value for name, value in sent.headers.raw_items()}
        assert headers.pop("host").startswith("localhost:")
        assert len(base64.b64decode(headers.pop("sec-websocket-key"))) == 16
        assert headers == {
            "user-agent": "Twilio.TmeWs/1.0",
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "x-twilio-signature": "c2ln",
        }


async def test_an_unsigned_request_has_no_signature_header() -> None:
    async with streaming() as stage:
        assert stage.server.request is not None
        assert "X-Twilio-Signature" not in stage.server.request.headers


async def test_connected_and_start_come_first_and_say_who_calls() -> None:
    async with streaming(token="t-1", lang="en") as stage:
        assert await stage.receive() == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        assert await stage.receive() == {
            "event": "start",
            "sequenceNumber": "1",
            "start": {
                "accountSid": ACCOUNT_SID,
                "callSid": CALL_SID,
                "streamSid": STREAM_SID,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"token": "t-1", "lang": "en"},
            },
            "streamSid": STREAM_SID,
        }
        assert stage.starts == 1


async def test_one_frame_leaves_every_20_ms_with_every_number_a_string() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        await stage.step(100)
        frames = [await stage.receive() for _ in range(100)]
        for number, frame in enumerate(frames, 1):
            assert frame["event"] == "media"
            assert frame["streamSid"] == STREAM_SID
            assert frame["sequenceNumber"] == str(number + 1)
            assert frame["media"]["chunk"] == str(number)
            assert frame["media"]["track"] == "inbound"
            assert base64.b64decode(frame["media"]["payload"]) == bytes([number]) * 160
            assert set(frame["media"]) == {"track", "chunk", "timestamp", "payload"}
        times_ms = [int(frame["media"]["timestamp"]) for frame in frames]
        assert 100 <= times_ms[0] <= 170
        assert times_ms == sorted(times_ms)
        assert times_ms[-1] - times_ms[0] == pytest.approx(99 * 19.97, abs=8)


async def test_a_wav_phones_words_arrive_sample_for_sample_and_their_echo_is_recorded(tmp_path: Path) -> None:
    words = speech.demo()[4000:7990]
    phone = WavPhone(words, clock=ManualClock(), record_path=tmp_path / "heard.wav", hang_up_after_s=0.2)
    async with streaming(phone=phone) as stage:
        await past_the_opening(stage)
        arrived = b""
        for _ in range(35):
            await stage.step()
            payload = base64.b64decode((await stage.receive())["media"]["payload"])
            arrived += payload
            await stage.play(payload)
        async with asyncio.timeout(TIMEOUT_S):
            await phone.hung_up()
            await phone.hang_up()
    assert arrived[: len(words)] == words
    assert set(arrived[len(words) :]) == {0xFF}
    with wave.open(str(tmp_path / "heard.wav")) as reader:
        heard = reader.readframes(reader.getnframes())
    assert decode_ulaw(words) in heard


async def test_digits_are_sent_on_their_own_track() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.leg.pressed = "5#"
        await stage.step()
        messages = [await stage.receive() for _ in range(3)]
        assert [message["sequenceNumber"] for message in messages] == ["2", "3", "4"]
        assert [message.get("dtmf") for message in messages] == [
            None,
            {"track": "inbound_track", "digit": "5"},
            {"track": "inbound_track", "digit": "#"},
        ]


async def test_audio_is_heard_in_real_time_and_a_mark_comes_back_after_it() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.leg.heard.clear()
        await stage.play(A + B)
        await stage.mark("end")
        await stage.step(2)
        assert stage.leg.heard == [A, B]
        await stage.step()
        assert (await stage.receive_until("mark"))["mark"] == {"name": "end"}
        assert stage.leg.heard == [A, B, SILENCE]


async def test_a_mark_on_an_empty_queue_comes_back_without_any_time_passing() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        await stage.mark("now")
        message = await stage.receive()
        assert message == {
            "event": "mark",
            "sequenceNumber": "2",
            "mark": {"name": "now"},
            "streamSid": STREAM_SID,
        }


async def test_clear_returns_the_waiting_marks_in_order_and_silences_the_phone() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.leg.heard.clear()
        await stage.play(A * 50)
        await stage.mark("one")
        await stage.play(B * 50)
        await stage.mark("two")
        await stage.step()
        await stage.clear()
        names = [(await stage.receive_until("mark"))["mark"]["name"] for _ in range(2)]
        await stage.step()
        assert names == ["one", "two"]
        assert stage.leg.heard == [A, SILENCE]


async def test_wrong_messages_are_told_once_per_code_and_end_nothing() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        await stage.send("not json")
        await stage.send({"event": "mark", "streamSid": "MZ" + "0" * 32, "mark": {"name": "x"}})
        await stage.send(b"\x00\x01")
        await stage.send(b"\x00\x02")
        await stage.send(
            {"event": "media", "streamSid": STREAM_SID, "media": {"payload": "/w==", "track": "x"}}
        )
        await stage.mark("still here")
        assert (await stage.receive())["mark"] == {"name": "still here"}
        assert stage.warnings == [31951, 31950]


async def test_more_than_ten_minutes_are_refused_and_told_once() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        for _ in range(5):
            await stage.play(bytes(2 * 60 * 8000))
        assert stage.warnings == []
        await stage.play(A)
        await stage.play(A)
        assert stage.warnings == [31931]
        stage.call_ended.set()
        assert (await stage.outcome()).refused_bytes == 320


@pytest.mark.parametrize(
    "scenario",
    [
        test_one_frame_leaves_every_20_ms_with_every_number_a_string,
        test_audio_is_heard_in_real_time_and_a_mark_comes_back_after_it,
    ],
)
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(scenario())
