"""sipp with our own scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests.peers.program import program
from tests.peers.sip.ports import Ports, free_ports
from tests.peers.sip.running_program import RunningProgram

SCENARIOS: Final = Path(__file__).parent / "scenarios"
_OPEN_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """
    What one sipp does.

    Attributes:
        scenario: A file in ``scenarios``, without its ending.
        target: ``host:port`` of whom it calls; ``None`` if it waits to be called.
        service: The user or number it calls.
        calls: How many in all; then it ends.
        at_once: At most this many at the same time.
        per_s: How many it begins a second.
        talk_ms: How long each lasts.
        lost_percent: How many of the messages it loses on purpose, in and out.
        tcp: Over TCP, one connection.
        echo: Sends back the audio it hears, on the port ``Ports.media``.
        user: For challenges.
        password: For challenges.
        keys: What else the scenario asks for: ``{name}`` in its file.
        within_s: When it gives up and fails.

    """

    scenario: str
    target: str | None = None
    service: str = "bob"
    calls: int = 1
    at_once: int = 1_000
    per_s: int = 10
    talk_ms: int = 1_000
    lost_percent: int = 0
    tcp: bool = False
    echo: bool = False
    user: str | None = None
    password: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    within_s: int = 30

    def words(self, ports: Ports, folder: Path) -> list[str]:
        """Write its command line."""
        words = ["-sf", str(self._written(folder)), "-i", "127.0.0.1", "-p", str(ports.sip)]
        words += ["-mi", "127.0.0.1", "-mp", str(ports.media), "-m", str(self.calls), "-l", str(self.at_once)]
        words += ["-r", str(self.per_s), "-d", str(self.talk_ms), "-s", self.service, "-nostdin"]
        words += ["-timeout", f"{self.within_s}s", "-timeout_error", "-trace_err"]
        words += ["-error_file", str(folder / "errors.log"), "-trace_msg"]
        words += ["-message_file", str(folder / "messages.log"), "-t", "t1" if self.tcp else "u1"]
        if self.lost_percent:
            words += ["-lost", str(self.lost_percent)]
        if self.echo:
            words.append("-rtp_echo")
        if self.user is not None:
            # Without -auth_uri it computes for the host alone, whatever it calls.
            words += ["-au", self.user, "-ap", self.password or ""]
            if self.scenario != "uac_register":
                words += ["-auth_uri", f"{self.service}@{self.target}"]
        return [*words, self.target] if self.target else words

    def _written(self, folder: Path) -> Path:
        """Fill in the scenario: sipp knows no keys in the status of an answer."""
        text = (SCENARIOS / f"{self.scenario}.xml").read_text()
        for name, value in self.keys.items():
            assert f"{{{name}}}" in text
            text = text.replace(f"{{{name}}}", value)
        path = folder / "scenario.xml"
        path.write_text(text)
        return path


class Sipp:
    """One running sipp."""

    def __init__(self, traffic: Traffic, ports: Ports, folder: Path, running: RunningProgram) -> None:
        self.ports: Final = ports
        self._traffic: Final = traffic
        self._folder: Final = folder
        self._running: Final = running

    @property
    def address(self) -> str:
        """Its ``host:port``."""
        return f"127.0.0.1:{self.ports.sip}"

    @property
    def uri(self) -> str:
        """Where to call it."""
        return f"sip:{self._traffic.service}@{self.address}" + (";transport=tcp" if self._traffic.tcp else "")

    @property
    def messages(self) -> str:
        """Every message it sent and received."""
        path = self._folder / "messages.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def succeeds(self) -> None:
        """Wait for its end; all its calls went as the scenario says, or this fails with its errors."""
        code = await self._running.ends(within_s=self._traffic.within_s + 10)
        assert code == 0, f"sipp ended with {code}\n{self._errors()}\n{self._running.tail}"

    async def fails(self) -> str:
        """Wait for its end; a call went otherwise. Gives what it complains of."""
        code = await self._running.ends(within_s=self._traffic.within_s + 10)
        assert code != 0, f"every call went well\n{self._running.tail}"
        return self._errors()

    async def _listens(self) -> None:
        """Wait until its ports are open: it says nothing of them on a pipe."""
        wanted = {self.ports.sip, self.ports.media} if self._traffic.echo else {self.ports.sip}
        process = psutil.Process(self._running.process.pid)
        async with asyncio.timeout(_OPEN_WITHIN_S):
            while not wanted <= {getattr(one.laddr, "port", 0) for one in process.net_connections()}:
                await asyncio.sleep(0.02)

    def _errors(self) -> str:
        path = self._folder / "errors.log"
        return path.read_text(errors="replace")[:4_000] if path.exists() else ""

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, traffic: Traffic, says: Path | None = None) -> AsyncIterator[Sipp]:
        """Run it; a scenario that plays audio plays ``says``, bare μ-law."""
        ports = free_ports()
        own = folder / f"sipp-{traffic.scenario}-{ports.sip}"
        own.mkdir()
        if says is not None:
            (own / "says.ulaw").symlink_to(says)
        command = (program("sipp"), *traffic.words(ports, own))
        async with RunningProgram.started(*command, cwd=own) as process:
            one = cls(traffic, ports, own, process)
            if traffic.target is None:
                await one._listens()
            yield one
