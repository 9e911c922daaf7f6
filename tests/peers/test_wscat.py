"""The media socket as people meet it first: by wscat, from npm."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.app import create_app
from bridge.settings import Settings, SinkChoice
from tests.peers.program import program
from tests.running import running
from tests.web.test_media_stream import FRAME, twilio

pytestmark = pytest.mark.peers


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    app = create_app(Settings(recordings_dir=tmp_path, sinks=(SinkChoice("echo"),)))
    async with running(app) as port:
        yield f"ws://localhost:{port}/media-stream"


class Wscat:
    """One wscat on a terminal of its own (it prints nothing on a pipe), its lines read as they come."""

    def __init__(
        self, process: asyncio.subprocess.Process, terminal: int, lines: asyncio.StreamReader
    ) -> None:
        self.process = process
        self._terminal = terminal
        self._lines = lines

    @classmethod
    async def connected(cls, url: str) -> Wscat:
        terminal, theirs = pty.openpty()
        quiet = termios.tcgetattr(theirs)
        quiet[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, quiet)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2000, 0, 0))  # no line is wrapped
        process = await asyncio.create_subprocess_exec(
            *(program("wscat"), "--no-color", "-c", url), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        lines = asyncio.StreamReader()
        reading = os.fdopen(os.dup(terminal), "rb", buffering=0)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), reading
        )
        one = cls(process, terminal, lines)
        await one.until("Connected")
        return one

    async def until(self, words: str) -> str:
        """Read on until a line holds these words; gives it."""
        async with asyncio.timeout(20):
            while True:
                line = (await self._lines.readline()).decode()
                assert line, f"wscat ended before it said {words!r}"
                if words in line:
                    return line

    def types(self, text: str) -> None:
        os.write(self._terminal, f"{text}\n".encode())

    async def ends(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()
        os.close(self._terminal)


async def test_it_connects_stays_and_receives_nothing_it_should_not(url: str) -> None:
    wscat = await Wscat.connected(url)
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wscat.until("< "), 2)
        assert wscat.process.returncode is None, "still connected"
    finally:
        await wscat.ends()


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("hello", 1007, "not JSON"),
        ('{"event":"media","media":{"payload":""}}', 1008, 'before "start"'),
        ('{"event":"start"}', 1007, "bad start message"),
    ],
)
async def test_a_bad_first_message_is_answered_with_a_reason_that_helps(
    url: str, typed: str, code: int, words: str
) -> None:
    wscat = await Wscat.connected(url)
    try:
        wscat.types(typed)
        line = await wscat.until("Disconnected")
        assert str(code) in line
        assert words in line
    finally:
        await wscat.ends()


async def test_a_whole_call_can_be_typed(url: str) -> None:
    stream = twilio(1)
    wscat = await Wscat.connected(url)
    try:
        for message in stream.open():
            wscat.types(message.decode())
        frame = stream.media(FRAME, 100).decode()
        wscat.types(frame)
        line = await wscat.until('"event":"media"')
        echoed = json.loads(line[line.index("{") : line.rindex("}") + 1])
        assert echoed["media"]["payload"] == json.loads(frame)["media"]["payload"]
        wscat.types(stream.stop().decode())
        assert "1000" in await wscat.until("Disconnected")
    finally:
        await wscat.ends()
