from __future__ import annotations

import asyncio
import base64
from random import Random

import pytest
from websockets.exceptions import ConnectionClosed

from bridge.carrier.stream import StreamOptions, run_stream
from tests.carrier.stream_stage import (
    ACCOUNT_SID,
    CALL_SID,
    STREAM_SID,
    TIMEOUT_S,
    Stage,
    request,
    streaming,
)

SILENCE = b"\xff" * 160
A = b"\x01" * 160
B = b"\x02" * 160


async def past_the_opening(stage: Stage) -> None:
    assert [(await stage.receive())["event"] for _ in range(2)] == ["connected", "start"]


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
    async with streaming(token="t-1", lang="en") as stage:  # noqa: S106  (a parameter's name)
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


async def test_the_call_ending_sends_stop_and_an_empty_close() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        await stage.step()
        await stage.receive()
        stage.call_ended.set()
        assert await stage.receive() == {
            "event": "stop",
            "sequenceNumber": "3",
            "stop": {"accountSid": ACCOUNT_SID, "callSid": CALL_SID},
            "streamSid": STREAM_SID,
        }
        with pytest.raises(ConnectionClosed):
            await stage.server.recv()
        assert stage.server.close_code == 1005
        outcome = await stage.outcome()
        assert (outcome.reason, outcome.error_code, outcome.sent_frames) == ("call_ended", None, 1)


async def test_the_server_closing_is_an_outcome_with_twilios_code() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        await stage.play(A * 100)
        await stage.step(3)
        async with asyncio.timeout(TIMEOUT_S):
            await stage.server.close(1000, "thank you")
        outcome = await stage.outcome()
        assert (outcome.reason, outcome.error_code, outcome.close_code) == ("server_closed", 31921, 1000)
        assert outcome.error is not None
        assert "thank you" in outcome.error
        assert (outcome.opened, outcome.sent_frames, outcome.heard_frames) == (True, 3, 3)
        stage.leg.heard.clear()
        await stage.step()
        assert stage.leg.heard == [SILENCE]  # what was queued is lost, and the line is free
        async with asyncio.timeout(TIMEOUT_S):
            await stage.line.play(b"")


async def test_a_connection_that_breaks_is_31903() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.server.transport.abort()
        outcome = await stage.outcome()
        assert (outcome.reason, outcome.error_code, outcome.close_code) == ("failed", 31903, None)


async def test_cancelling_sends_stop_too() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.running.cancel()
        assert (await stage.receive())["event"] == "stop"
        with pytest.raises(asyncio.CancelledError):
            await stage.outcome()
        assert stage.server.close_code == 1005
        stage.line.connect(_Silent())  # the line is free


class _Silent:
    def tick(self, spoken: bytes, digits: str) -> bytes:
        return SILENCE


async def test_wrong_messages_are_told_once_per_code_and_end_nothing() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        await stage.send("not json")
        await stage.send({"event": "mark", "streamSid": "MZ" + "0" * 32, "mark": {"name": "x"}})
        await stage.send(b"\x00\x01")
        await stage.send(b"\x00\x02")
        await stage.send({"event": "media", "streamSid": STREAM_SID, "media": {"payload": "/w==", "track": "x"}})
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


async def test_a_server_that_does_not_read_loses_audio_and_can_tell_how_much() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.server.transport.pause_reading()
        while not stage.warnings:
            await stage.step(100)
        await stage.step(500)
        assert stage.warnings == [31930]
        stage.server.transport.resume_reading()
        last, gaps = 0, []
        while not gaps:
            await stage.step()
            chunk = int((await stage.receive())["media"]["chunk"])
            if chunk != last + 1:
                gaps.append(chunk - last - 1)
            last = chunk
        stage.call_ended.set()
        outcome = await stage.outcome()
        assert gaps == [outcome.dropped_frames]
        assert outcome.dropped_frames > 500


async def test_a_server_that_does_not_answer_the_close_is_cut_after_a_second() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.server.transport.pause_reading()
        stage.call_ended.set()
        await stage.clock.advance(0.98)
        assert not stage.running.done()
        await stage.clock.advance(0.04)
        assert (await stage.outcome()).reason == "call_ended"
        stage.server.transport.resume_reading()


async def test_a_call_that_ends_while_connecting_does_not_wait() -> None:
    held = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.set()
        await reader.read()
        await reader.read()
        writer.close()

    async with streaming() as stage:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server, asyncio.TaskGroup() as group:
            over = asyncio.Event()
            running = group.create_task(
                run_stream(
                    request(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"),
                    stage.line,
                    clock=stage.clock,
                    jitter=Random(1),
                    warn=stage.warn,
                    call_ended=over,
                    options=StreamOptions(connect_timeout_s=60),
                )
            )
            async with asyncio.timeout(TIMEOUT_S):
                await held.wait()
                over.set()
                outcome = await running
        assert (outcome.reason, outcome.opened, outcome.error_code) == ("call_ended", False, None)
