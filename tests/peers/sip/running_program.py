"""A foreign program while it runs: what it has said, what it is told, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self

STOP_WITHIN_S: Final = 8.0
_TOLD: Final = 4_000
"""How many of its last characters a failed test shows."""


class RunningProgram:
    """One process, its output read as it comes."""

    def __init__(self, name: str, process: Process) -> None:
        self.name: Final = name
        self.process: Final = process
        self._parts: list[str] = []
        self._read_to = 0
        self._news = asyncio.Condition()

    @property
    def said(self) -> str:
        """All it has said."""
        if len(self._parts) > 1:  # joined when somebody looks: a flood is read in linear time
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    async def until(self, words: str, *, within_s: float = 10.0) -> str:
        """Wait until it says these words, after those last waited for; gives what it said up to them."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: self.said.find(words, self._read_to) >= 0 or self._ended)
        except TimeoutError:
            raise AssertionError(f"{self.name} did not say {words!r} in {within_s} s\n{self.tail}") from None
        found = self.said.find(words, self._read_to)
        assert found >= 0, f"{self.name} ended before it said {words!r}\n{self.tail}"
        start, self._read_to = self._read_to, found + len(words)
        return self.said[start : self._read_to]

    async def types(self, line: str) -> None:
        """Give it a line on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()

    async def ends(self, *, within_s: float = STOP_WITHIN_S) -> int:
        """Wait for its own end; gives the exit code."""
        try:
            async with asyncio.timeout(within_s):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} did not end in {within_s} s\n{self.tail}") from None

    async def stop(self) -> int:
        """End it, politely first; gives the exit code. Safe to call twice."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
        code = await self.process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its children, if it left any
        return code

    @property
    def tail(self) -> str:
        """The last of what it said, for whoever reads a failed test."""
        return f"--- {self.name}, exit code {self.process.returncode}\n{self.said[-_TOLD:]}"

    @property
    def _ended(self) -> bool:
        return self.process.stdout is None or self.process.stdout.at_eof()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while text := await self.process.stdout.read(65_536):
            async with self._news:
                self._parts.append(text.decode(errors="replace"))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    @classmethod
    @asynccontextmanager
    async def started(
        cls, *command: str, name: str = "", cwd: Path, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[Self]:
        """Run this command for as long as the block runs."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=PIPE if name == "linphonec" else DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        running = cls(name or Path(command[0]).name, process)
        reading = asyncio.create_task(running._read())  # no group, so that failures read as they were raised
        try:
            yield running
        finally:
            await running.stop()
            await reading
