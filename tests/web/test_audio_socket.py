"""The audio socket as programs use it: to hear, to speak, badly, and not at all."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.app import create_app
from bridge.audio import g711
from bridge.server.websocket import WebSocketProtocol
from bridge.settings import Settings
from tests.running import running
from tests.web.audio_stage import SID, STREAM_SID, calling, listening, socket_url, until_nobody_listens
from tests.web.test_media_stream import FRAME, Server, closed, twilio

KEY = "a key of many characters"
PCM = g711.decode_ulaw(FRAME)


@pytest.fixture(params=["ours", "uvicorn's"])
def websocket(request: pytest.FixtureRequest) -> type[asyncio.Protocol] | str:
    return WebSocketProtocol if request.param == "ours" else "websockets-sansio"


@pytest.fixture
async def server(tmp_path: Path, websocket: type[asyncio.Protocol] | str) -> AsyncIterator[Server]:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app, websocket) as port:
        yield Server(app.state.bridge, port, tmp_path)


# Hearing


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"rate_hz": 8000, "encoding": "pcm16", "channels": 1, "chunk_ms": 20}),
        ("?encoding=mulaw&chunk_ms=60", {"rate_hz": 8000, "encoding": "mulaw", "chunk_ms": 60}),
        ("?encoding=float32", {"encoding": "float32", "play": {"rate_hz": 8000, "encoding": "pcm16"}}),
        ("?track=both&rate_hz=16000&play_rate_hz=24000", {"channels": 2, "track": "both"}),
    ],
)
async def test_a_program_is_greeted_hears_the_call_and_is_told_of_its_end(
    server: Server, query: str, expected: dict[str, Any]
) -> None:
    async with calling(server) as phone, listening(server, query) as program:
        assert program.hello.items() >= expected.items()
        assert program.hello["start_ms"] == 20
        assert (program.hello["call_sid"], program.hello["stream_sid"]) == (SID, STREAM_SID)
        await phone.says(4)
        await phone.hangs_up()
        assert (await program.until("stream-ended"))["reason"] == "stop"
        assert await closed(program.socket) == (1000, "stream ended: stop")
    if "mulaw" in query:
        assert program.audio == FRAME * 4
    elif "float32" in query:
        assert program.audio == (np.frombuffer(PCM * 4, "<i2") / np.float32(32768)).astype("<f4").tobytes()
    elif "both" in query:
        samples = np.frombuffer(program.audio, "<i2").reshape(-1, 2)
        assert samples.shape == (4 * 320, 2)
        assert samples[:, 0].any()
        assert not samples[:, 1].any()
    else:
        assert program.audio == PCM * 4
    assert program.hello["play"]["rate_hz"] == (24_000 if "play" in query else 8000)


async def test_the_last_chunk_may_be_short_and_comes_before_the_end(server: Server) -> None:
    async with calling(server) as phone, listening(server, "?chunk_ms=100") as program:
        await phone.says(7)
        await phone.hangs_up()
        await program.until("stream-ended")
    assert len(program.audio) == 7 * 320


async def test_from_start_begins_with_the_pre_roll(server: Server) -> None:
    async with calling(server) as phone:
        await phone.says(4)
        async with listening(server, "?from_start=true") as program:
            assert program.hello["start_ms"] == 0
            assert await program.hear(5 * 320) == PCM * 5


async def test_events_are_told_from_the_start_of_the_call(server: Server) -> None:
    async with calling(server) as phone:
        await phone.presses("7")
        async with listening(server) as program:
            await phone.presses("8")
            while not (program.told and program.told[-1].get("digit") == "8"):
                await program.next()
    assert program.told[0]["event"] == "stream-started"
    assert [one["number"] for one in program.told] == list(range(1, len(program.told) + 1))
    assert [one["digit"] for one in program.told if one["event"] == "dtmf"] == ["7", "8"]


async def test_silence_put_in_for_lost_audio_is_told_directly_before_its_chunk(server: Server) -> None:
    async with calling(server) as phone, listening(server, "?chunk_ms=40") as program:
        await phone.says(2, lost_frames=3)
        notice = await program.until("notice")
        assert notice == {"event": "notice", "start_ms": 20, "dropped_ms": 0, "filled_ms": 40}
        assert await program.next() == bytes(640)
        assert (await program.until("notice"))["filled_ms"] == 20


async def test_a_program_that_does_not_read_loses_its_own_oldest_audio_and_the_call_none(
    server: Server,
) -> None:
    narrow = sockets.socket()
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", int(server.url.split(":")[2].split("/")[0])))
    query = "?track=both&rate_hz=48000&encoding=float32&chunk_ms=200"
    async with (
        calling(server) as phone,
        listening(server, query, sock=narrow, max_queue=1) as program,
        listening(server, "?encoding=mulaw") as neighbour,
    ):
        seconds = 25
        for _ in range(seconds):
            await phone.says(50)
            await neighbour.hear(len(neighbour.audio) + 8000)
        assert neighbour.audio == FRAME * 50 * seconds
        phone.session.count()
        dropped_ms = phone.session.record.counters.dropped_ms
        assert dropped_ms > 0
        await phone.hangs_up()
        await program.until("stream-ended")
    notices = [one for one in program.told if one["event"] == "notice"]
    assert sum(one["dropped_ms"] for one in notices) == dropped_ms
    assert len(program.audio) == (1000 * seconds - dropped_ms) * 48 * 8


# Speaking


@pytest.mark.parametrize(
    ("query", "sent", "samples"),
    [
        ("", PCM * 10, 1600),
        ("?encoding=mulaw", FRAME * 10, 1600),
        ("?encoding=float32&rate_hz=48000&play_rate_hz=8000", PCM * 10, 1600),
        ("?play_rate_hz=16000", bytes(6400), 1600),
    ],
)
async def test_what_a_program_sends_the_phone_hears(
    server: Server, query: str, sent: bytes, samples: int
) -> None:
    async with calling(server) as phone, listening(server, query) as program:
        await program.socket.send(sent[: len(sent) // 2])
        await program.socket.send(sent[len(sent) // 2 :])
        await program.command(command="play-mark", name="said")
        hearing = asyncio.ensure_future(phone.hear_all())
        assert (await program.until("mark")).items() >= {"name": "said", "fate": "played"}.items()
        hearing.cancel()
    if "16000" in query:
        assert abs(len(phone.heard) - samples) <= 12  # the filter's tail
    else:
        assert g711.decode_ulaw(phone.heard) == g711.decode_ulaw(g711.encode_ulaw(PCM * 10))


async def test_clear_stops_what_plays_and_says_what_became_of_the_marks(server: Server) -> None:
    async with calling(server) as phone, listening(server) as program:
        for _ in range(10):  # ten seconds: two of them wait in the call, the rest outside
            await program.socket.send(bytes(16_000))
        await program.command(command="play-mark", name="never")
        await phone.hear(800)
        await program.command(command="clear")
        assert (await program.until("mark")).items() >= {"name": "never", "fate": "cleared"}.items()
        while "clear" not in phone.events:
            await phone.hear_one()
        before = len(phone.heard)
        assert before < 8000
        await program.socket.send(PCM)
        assert (await phone.hear(before + 160))[before:] == g711.encode_ulaw(PCM)


async def test_a_clear_by_somebody_else_drops_what_waits_too(server: Server) -> None:
    async with calling(server) as phone, listening(server) as program, listening(server) as other:
        for _ in range(10):
            await program.socket.send(bytes(16_000))
        await program.command(command="play-mark", name="never")
        await phone.hear(800)
        await other.command(command="clear")
        assert (await other.until("mark"))["fate"] == "cleared"


async def test_digits_are_played_behind_what_was_said(server: Server) -> None:
    async with calling(server) as phone, listening(server, "?encoding=mulaw") as program:
        await program.socket.send(FRAME)
        await program.command(command="digits", digits="1")
        heard = await phone.hear(160 + 1600)
    assert heard[:160] == FRAME
    assert heard[160:960] != g711.ulaw_silence(800)
    assert heard[960:] == g711.ulaw_silence(800)


async def test_hangup_ends_the_call_even_if_its_program_leaves_at_once(server: Server) -> None:
    async with calling(server) as phone:
        async with listening(server) as program:
            await program.command(command="hangup")
        assert (await closed(phone.media))[1] == "call hung up"


async def test_hangup_after_played_waits_for_all_that_was_sent_before_it(server: Server) -> None:
    async with calling(server) as phone, listening(server, "?encoding=mulaw") as program:
        await program.socket.send(FRAME * 100)
        await program.command(command="hangup", after_played=True)
        await program.command(command="hangup", after_played=True)
        with pytest.raises(ConnectionClosed):
            await phone.hear_all()
        assert (await program.until("stream-ended"))["reason"] == "hangup"
    assert phone.heard == FRAME * 100


# Mistakes


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ("hello", "message", "not JSON"),
        ("[]", "message", "object"),
        ("{}", "command", "missing"),
        ('{"command":"dance"}', "command", "dance"),
        ('{"command":"clear","now":1}', "now", "not known"),
        ('{"command":"play-mark"}', "name", "missing"),
        ('{"command":"play-mark","name":""}', "name", ">= 1"),
        ('{"command":"digits","digits":"1x"}', "digits", "no digit"),
        ('{"command":"digits","digits":"1\\n"}', "digits", "no digit"),
        ('{"command":"hangup","after_played":"no"}', "after_played", "bool"),
        ('{"deep":' + "[" * 50_000 + ',"command":"clear"}', "message", "not JSON"),
    ],
)
async def test_a_bad_command_is_told_with_its_field_and_the_fix_and_the_socket_stays(
    server: Server, sent: str, field: str, words: str
) -> None:
    async with calling(server) as phone, listening(server) as program:
        await program.socket.send(sent)
        told = await program.until("error")
        assert (told["code"], told["field"]) == ("bad_command", field)
        assert words in told["detail"]
        assert told["hint"]
        await phone.says(1)
        assert await program.hear(320) == PCM


async def test_half_a_sample_and_too_much_audio_are_refused_and_said(server: Server) -> None:
    async with calling(server) as phone, listening(server) as program:
        await program.socket.send(b"123")
        assert (await program.until("error"))["code"] == "bad_audio"
        for _ in range(34):
            await program.socket.send(bytes(65_536 - 2))
        assert (await program.until("error"))["code"] == "queue_full"
        await phone.says(1)


async def test_into_a_one_way_stream_nothing_can_be_said(server: Server) -> None:
    async with calling(server, "inbound", "outbound") as phone, listening(server) as program:
        for _ in range(5):
            await program.socket.send(PCM)
        assert (await program.until("error"))["code"] == "call_read_only"
        await program.command(command="clear")
        assert (await program.until("error"))["code"] == "call_read_only"
        await program.command(command="digits", digits="1")
        assert (await program.until("error"))["code"] == "call_read_only"
        await phone.says(1)
        await program.hear(320)
    assert [one["event"] for one in program.told].count("error") == 3, "a voice is told once"


# Leaving


@pytest.mark.parametrize("politely", [True, False])
async def test_a_program_that_leaves_is_forgotten_and_the_call_goes_on(
    server: Server, *, politely: bool
) -> None:
    async with calling(server) as phone:
        before = len(asyncio.all_tasks())
        async with listening(server) as program, listening(server) as neighbour:
            await program.socket.send(PCM)
            await phone.hear(160)
            if politely:
                await program.socket.close()
            else:
                program.socket.transport.abort()
            while len(server.bridge.open_sockets) > 1:
                await asyncio.sleep(0)
            assert len(phone.session.audio._listeners) == 1
            await phone.says(3)
            assert await neighbour.hear(960) == PCM * 3
        await until_nobody_listens(server.bridge)
        while len(asyncio.all_tasks()) > before or phone.session.audio._listeners:
            await asyncio.sleep(0)


async def test_who_leaves_in_good_order_is_heard_to_the_end(server: Server) -> None:
    async with calling(server) as phone:
        async with listening(server, "?encoding=mulaw") as program:
            for _ in range(3):
                await program.socket.send(FRAME * 50)
                await program.command(command="play-mark", name="a")
        assert await phone.hear(150 * 160) == FRAME * 150


async def test_who_vanishes_says_no_more_than_the_call_has_already(server: Server) -> None:
    async with calling(server) as phone:
        async with listening(server, "?encoding=mulaw") as program:
            for _ in range(10):
                await program.socket.send(FRAME * 100)
            await phone.hear(160)
            program.socket.transport.abort()
        await until_nobody_listens(server.bridge)
        [segment] = phone.session._playout._queue
        assert segment.queued_samples + len(phone.heard) < 10 * 16_000  # type: ignore[union-attr]


async def test_a_server_that_stops_says_so_behind_the_last_audio(
    tmp_path: Path, websocket: type[asyncio.Protocol] | str
) -> None:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app, websocket) as port:
        server = Server(app.state.bridge, port, tmp_path)
        async with calling(server) as phone:
            url = socket_url(server, "?chunk_ms=100")
            socket = await connect(url, compression=None)
            await socket.recv()
            await phone.says(3)
            await server.bridge.drain()
            with pytest.raises(InvalidStatus) as caught:
                await connect(url)
            assert caught.value.response.status_code == 503
    received = [message async for message in _rest(socket)]
    assert sum(len(one) for one in received if isinstance(one, bytes)) == 3 * 320
    assert json.loads(received[-1])["reason"] == "shutdown"
    assert (socket.close_code, socket.close_reason) == (1012, "server stops")


async def _rest(socket: Any) -> AsyncIterator[str | bytes]:
    try:
        while True:
            yield await socket.recv()
    except ConnectionClosed:
        return


# Who may


async def refusal(url: str, **headers: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, additional_headers={name.title(): value for name, value in headers.items()})
    body = caught.value.response.body
    assert body is not None
    return caught.value.response.status_code, json.loads(body)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?track=none", "track"),
        ("?rate_hz=44100", "rate_hz"),
        ("?rate_hz=x", "rate_hz"),
        ("?encoding=mp3", "encoding"),
        ("?encoding=mulaw&rate_hz=16000", "rate_hz"),
        ("?encoding=mulaw&play_rate_hz=16000", "play_rate_hz"),
        ("?chunk_ms=19", "chunk_ms"),
        ("?chunk_ms=1001", "chunk_ms"),
        ("?from_start=maybe", "from_start"),
        ("?rate=8000", "rate"),
    ],
)
async def test_an_impossible_wish_is_refused_before_the_socket_opens(
    server: Server, query: str, field: str
) -> None:
    async with calling(server):
        status, problem = await refusal(socket_url(server, query))
    assert (status, problem["code"], problem["field"]) == (422, "invalid_field", field)
    assert problem["hint"]


async def test_calls_that_are_over_or_unknown_are_told_apart(server: Server) -> None:
    async with calling(server) as phone:
        await phone.hangs_up()
        await closed(phone.media)
    await server.until_idle()
    for sid, status, code in ((SID, 409, "call_ended"), (twilio(9).start.callSid, 404, "call_unknown")):
        got, problem = await refusal(socket_url(server, sid=sid))
        assert (got, problem["code"]) == (status, code)


async def test_a_page_of_another_site_is_refused_and_one_of_ours_is_not(server: Server) -> None:
    port = server.url.split(":")[2].split("/")[0]
    async with calling(server):
        status, problem = await refusal(socket_url(server), origin="http://localhost:1")
        assert (status, problem["code"]) == (403, "foreign_origin")
        async with listening(server, additional_headers={"Origin": f"http://127.0.0.1:{port}"}) as program:
            assert program.hello["version"] == 1


async def test_a_key_opens_where_one_is_needed(
    tmp_path: Path, websocket: type[asyncio.Protocol] | str
) -> None:
    app = create_app(Settings(recordings_dir=tmp_path, api_key=KEY))
    async with running(app, websocket) as port:
        server = Server(app.state.bridge, port, tmp_path)
        async with calling(server):
            assert (await refusal(socket_url(server)))[0] == 401
            headers = {"Authorization": f"Bearer {KEY}"}
            async with listening(server, additional_headers=headers) as program:
                assert program.hello["call_sid"] == SID
