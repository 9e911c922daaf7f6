from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise

import pytest
import uvloop
from websockets.exceptions import ConnectionClosed

from bridge.carrier.stream.client import StreamOptions, run_stream
from tests.carrier.media_stage import seeded
from tests.carrier.stream_stage import (
    ACCOUNT_SID,
    CALL_SID,
    STREAM_SID,
    TIMEOUT_S,
    past_the_opening,
    request,
    streaming,
)

SILENCE = b"\xff" * 160
A = b"\x01" * 160
B = b"\x02" * 160


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


async def test_a_server_that_does_not_read_loses_audio_and_can_tell_how_much() -> None:
    async with streaming() as stage:
        await past_the_opening(stage)
        stage.server.transport.pause_reading()
        while not stage.warnings:
            await stage.step(100)
        await stage.step(500)
        assert stage.warnings == [31930]
        stage.server.transport.resume_reading()
        numbers = []
        for _ in range(100):
            await stage.step()
            numbers.append(int((await stage.receive())["sequenceNumber"]))
        stage.call_ended.set()
        while (message := await stage.receive())["event"] == "media":
            numbers.append(int(message["sequenceNumber"]))
        numbers.append(int(message["sequenceNumber"]))
        outcome = await stage.outcome()
        assert message["event"] == "stop"
        assert numbers[0] == 2
        lost = sum(after - before - 1 for before, after in pairwise(numbers))
        assert lost == outcome.dropped_frames
        assert lost > 0
        assert outcome.sent_frames == len(numbers) - 1  # without stop


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
                    jitter=seeded(1),
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


@pytest.mark.parametrize(
    "scenario",
    [
        test_the_call_ending_sends_stop_and_an_empty_close,
        test_the_server_closing_is_an_outcome_with_twilios_code,
        test_a_connection_that_breaks_is_31903,
        test_a_server_that_does_not_read_loses_audio_and_can_tell_how_much,
    ],
)
def test_the_same_on_uvloop(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    uvloop.run(scenario())
