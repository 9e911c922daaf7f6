"""``bridge listen`` against a running server, as its user sees it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import wave
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.app import create_app
from bridge.audio import g711
from bridge.calls.record import CallRecord, CallUpdate
from bridge.calls.status import Status
from bridge.cli.audio_output import WavFile
from bridge.cli.listen import _hear
from bridge.cli.live_audio import LiveAudio
from bridge.settings import Settings
from tests.running import running
from tests.web.audio_stage import SID, Phone, calling
from tests.web.test_media_stream import FRAME, Server

PCM = g711.decode_ulaw(FRAME)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        yield Server(app.state.bridge, port, tmp_path)


async def started(server: Server, *words: str, **environment: str) -> Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "TWILIO_"))}
    port = server.url.split(":")[2].split("/")[0]
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "listen", *words, "--port", port),
        cwd=server.recordings,
        env={**clean, **environment},
        stdout=PIPE,
        stderr=PIPE,
    )


async def until_it_listens(server: Server) -> None:
    while not len(server.bridge.open_sockets):
        await asyncio.sleep(0.01)


async def ended(process: Process) -> tuple[int, bytes, str]:
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, err.decode()


async def told(phone: Phone, process: Process, frames: int = 10) -> tuple[int, bytes, str]:
    """Speak to it once it listens, then hang up."""
    await until_it_listens(phone.server)
    await phone.says(frames)
    await phone.hangs_up()
    return await ended(process)


async def test_a_call_is_saved_to_its_end(server: Server) -> None:
    async with calling(server) as phone:
        code, out, err = await told(
            phone, await started(server, SID, "--output", "a.wav", "--from-start"), 12
        )
    assert (code, out, err) == (0, b"", "Heard 0.3 s, lost 0 ms.\n")
    with wave.open(str(server.recordings / "a.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 13 * 160)
        both = file.readframes(13 * 160)
    assert b"".join(both[n : n + 2] for n in range(0, len(both), 4)) == PCM * 13


async def test_the_latest_call_goes_through_a_pipe_and_nothing_else_does(server: Server) -> None:
    async with calling(server) as phone:
        words = ("latest", "--output", "-", "--track", "inbound", "--rate-hz", "16000")
        code, out, _ = await told(phone, await started(server, *words))
    assert code == 0
    assert len(out) == 10 * 320 * 2


async def test_ctrl_c_ends_it_cleanly_with_a_whole_file(server: Server) -> None:
    async with calling(server) as phone:
        process = await started(server, SID, "--output", "a.wav", "--track", "inbound")
        await until_it_listens(server)
        await phone.says(10)
        path = server.recordings / "a.wav"
        while not (path.exists() and path.stat().st_size >= 44):
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        code, _, err = await ended(process)
        await phone.says(1)
    assert code == 0
    assert "Traceback" not in err
    with wave.open(str(path)) as file:
        assert file.getnframes() * 2 == path.stat().st_size - 44


async def test_it_ends_in_peace_when_its_pipe_is_closed(server: Server) -> None:
    async with calling(server) as phone:
        process = await started(server, SID, "--output", "-")
        await until_it_listens(server)
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
        while process.returncode is None:
            await phone.says(5)
            await asyncio.sleep(0)
        assert process.stderr is not None
        assert "Traceback" not in (await process.stderr.read()).decode()
    assert process.returncode == 0


async def test_a_server_that_stops_is_a_failure_and_said(tmp_path: Path) -> None:
    app = create_app(Settings(recordings_dir=tmp_path))
    async with running(app) as port:
        server = Server(app.state.bridge, port, tmp_path)
        async with calling(server):
            process = await started(server, SID)
            await until_it_listens(server)
            await server.bridge.drain()
            code, _, err = await ended(process)
    assert code == 1
    assert err.endswith("bridge: the server has closed the connection: server stops\n")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("CA1",), 1, "No call with this SID is known here"),
        (("latest",), 1, "no call is running. Place one: bridge call sip:demo@localhost"),
        (("x?y#z",), 1, "No call with this SID is known here"),
        (
            (SID, "--track", "left"),
            2,
            "Invalid value for '--track': 'left' is not one of 'inbound', 'outbound', 'both'",
        ),
    ],
)
async def test_what_is_wrong_is_one_sentence(
    server: Server, words: tuple[str, ...], code: int, sentence: str
) -> None:
    got, _, err = await ended(await started(server, *words))
    assert got == code
    assert sentence in err
    assert "Traceback" not in err


async def ringing(server: Server, status: Status = "ringing") -> CallRecord:
    at = server.bridge.clock.utc()
    return await server.bridge.store.add(CallRecord(SID, "placed", "", "sip:demo@localhost", at, status))


async def until_it_waits(process: Process) -> None:
    assert process.stderr is not None
    assert await process.stderr.readline() == "waiting for the call to be answered …\n".encode()


@pytest.mark.parametrize("sid", [SID, "latest"])
@pytest.mark.parametrize("status", ["queued", "ringing"])
async def test_a_call_that_rings_is_waited_for(server: Server, sid: str, status: Status) -> None:
    await ringing(server, status)
    process = await started(server, sid, "--output", "a.wav", "--track", "inbound", "--from-start")
    await until_it_waits(process)
    async with calling(server) as phone:
        while not phone.session.audio._listeners:  # its events are an open socket too
            await asyncio.sleep(0.01)
        await phone.says(10)
        await phone.hangs_up()
        code, _, err = await ended(process)
    assert (code, err) == (0, "Heard 0.2 s, lost 0 ms.\n")
    with wave.open(str(server.recordings / "a.wav")) as file:
        assert file.getnframes() == 11 * 160


async def test_a_call_that_nobody_answers_ends_the_waiting(server: Server) -> None:
    record = await ringing(server)
    process = await started(server, SID)
    await until_it_waits(process)
    record.apply(CallUpdate(SID, "no-answer", server.bridge.clock.utc()))
    await server.bridge.store.save(record)
    code, _, err = await ended(process)
    assert code == 1
    assert err == "bridge: The call is over: no-answer. It was not recorded; the sink wav would have.\n"


async def test_a_server_that_stops_ends_the_waiting(server: Server) -> None:
    await ringing(server)
    process = await started(server, SID)
    await until_it_waits(process)
    await server.bridge.drain()
    code, _, err = await ended(process)
    assert (code, err) == (1, "bridge: the server has closed the connection: server stops\n")


async def test_no_server_is_said_with_what_to_do(tmp_path: Path) -> None:
    code, _, err = await ended(await started(Server(None, 1, tmp_path), SID))  # type: ignore[arg-type]
    assert code == 1
    assert "no server answers at http://127.0.0.1:1" in err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--output", "no/such/folder.wav"), 2, "--output: no/such/folder.wav cannot be written"),
        (("--rate-hz", "44100"), 1, "rate_hz: Invalid enum value 44100. Send one of 8000"),
        (("--play",), 2, "--play: none of ffplay, play, aplay, paplay is installed"),
    ],
)
async def test_what_cannot_be_done_with_a_call_is_said(
    server: Server, words: tuple[str, ...], code: int, sentence: str
) -> None:
    async with calling(server):
        got, _, err = await ended(await started(server, SID, *words, PATH=str(server.recordings)))
    assert got == code
    assert sentence in err
    assert "Traceback" not in err


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("name", "header_bytes"), [("ffplay", 44), ("aplay", 0)])
async def test_the_first_player_found_is_given_the_audio(
    server: Server, name: str, header_bytes: int
) -> None:
    program(server.recordings, name, 'echo "$@" > words; exec /bin/cat > played')
    async with calling(server) as phone:
        words = (SID, "--play", "--track", "inbound")
        code, _, _ = await told(phone, await started(server, *words, PATH=str(server.recordings)))
    assert code == 0
    played = (server.recordings / "played").read_bytes()
    assert played[header_bytes:] == PCM * 10
    assert (server.recordings / "words").read_text().endswith(" -\n")


async def test_a_player_that_ends_is_a_failure(server: Server) -> None:
    program(server.recordings, "ffplay", "exit 7")
    async with calling(server) as phone:
        process = await started(server, SID, "--play", PATH=str(server.recordings))
        while process.returncode is None:
            await phone.says(5)
            await asyncio.sleep(0.01)
        assert process.stderr is not None
        assert "ffplay has ended with exit code 7" in (await process.stderr.read()).decode()
    assert process.returncode == 1


class Script:
    """A socket that says what it is told to."""

    def __init__(self, *messages: str | bytes) -> None:
        self._messages = messages

    def recv(self, _timeout_s: float) -> str:
        return '{"event":"hello","rate_hz":8000,"channels":1}'

    def __iter__(self) -> Any:
        return iter(self._messages)


def test_what_was_lost_is_silence_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notice = '{"event":"notice","start_ms":40,"dropped_ms":20,"filled_ms":0}'
    audio = LiveAudio(Script(PCM, '{"event":"dtmf","digit":"1"}', notice, PCM, PCM))  # type: ignore[arg-type]
    with closing(WavFile(tmp_path / "a.wav", rate_hz=8000, channels=1)) as output:
        _hear(audio, "inbound", [output])
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.readframes(1000) == PCM + bytes(320) + PCM * 2
    assert capsys.readouterr().err == "Heard 0.1 s, lost 20 ms.\n"
