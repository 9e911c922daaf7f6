"""linphonec, Linphone without a window, driven over its standard input and output."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.peers.program import program
from tests.peers.sip.ports import Ports, free_ports
from tests.peers.sip.running_program import RunningProgram

WITHIN_S: Final = 15.0
_HEARD_BYTES_S: Final = 16_000
"""It writes what it hears as PCM16 at 8 kHz, or more."""

# auto_net_state_mon: without a default route it would never open its port. bind_address of [rtp] is what
# stands in its SDP; otherwise that is the machine's own address.
_CONFIG: Final = """\
[sip]
auto_net_state_mon=0
register_only_when_network_is_up=0
sip_port={ports.sip}
sip_tcp_port={ports.sip}
sip_tls_port=-1
contact="Lin Phone" <sip:{user}@127.0.0.1:{ports.sip}>
guess_hostname=0
use_ipv6=0
bind_address=127.0.0.1
media_encryption=none
inc_timeout=30
use_info={sends_info:d}
use_rfc2833={sends_events:d}
[rtp]
bind_address=127.0.0.1
audio_rtp_port={ports.media}-{ports.media_last}
download_ptime={ptime_ms}
[net]
firewall_policy=none
{codecs}
"""

_CODEC: Final = (
    "[audio_codec_{number}]\nmime={mime}\nrate={rate_hz}\nchannels={channels}\nenabled={enabled:d}"
)
_CODECS: Final = [
    ("PCMU", 8_000, 1),
    ("PCMA", 8_000, 1),
    ("opus", 48_000, 2),
    ("speex", 16_000, 1),
    ("speex", 8_000, 1),
    ("GSM", 8_000, 1),
    ("G722", 8_000, 1),
]
"""Those it would offer by itself: what its file does not name is enabled."""

DigitsBy = Literal["event", "info", "both"]


@dataclass(frozen=True, slots=True)
class Setup:
    """
    How one Linphone is set up.

    Attributes:
        user: Its name.
        answers: At once, or never.
        codec: The only one that it speaks; empty for all it has.
        ptime_ms: How much it wants to hear in a packet; 0 says nothing of it.
        digits_by: Telephone events in RTP, SIP INFO, or each press both ways. With ``info`` it takes no
            events either.

    """

    user: str = "lin"
    answers: bool = True
    codec: Literal["", "PCMU", "PCMA"] = ""
    ptime_ms: int = 0
    digits_by: DigitsBy = "event"

    def config(self, ports: Ports) -> str:
        """Write its configuration file."""
        return _CONFIG.format(
            ports=ports,
            user=self.user,
            sends_info=self.digits_by != "event",
            sends_events=self.digits_by != "info",
            ptime_ms=self.ptime_ms,
            codecs="\n".join(self._codecs()),
        )

    def _codecs(self) -> Iterator[str]:
        if self.codec:
            for number, (mime, rate_hz, channels) in enumerate(_CODECS):
                yield _CODEC.format(
                    number=number,
                    mime=mime,
                    rate_hz=rate_hz,
                    channels=channels,
                    enabled=mime == self.codec,
                )


class Linphone:
    """One running phone; it has one call at a time."""

    def __init__(self, folder: Path, ports: Ports, user: str, running: RunningProgram) -> None:
        self.ports: Final = ports
        self.uri: Final = f"sip:{user}@127.0.0.1:{ports.sip}"
        self._folder: Final = folder
        self._running: Final = running

    @property
    def trace(self) -> str:
        """Every SIP message it sent and received, and much more."""
        return "".join(path.read_text(errors="replace") for path in self._folder.glob("log*"))

    async def says(self, words: str, *, within_s: float = WITHIN_S) -> str:
        """Wait until it says these words, after those last waited for."""
        return await self._running.until(words, within_s=within_s)

    async def logs(self, words: str, count: int) -> None:
        """Wait until these words stand in ``trace`` so often."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while self.trace.count(words) < count:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{words!r} is there {self.trace.count(words)} times") from None

    async def register(self, user: str, registrar: str, password: str) -> None:
        """Ask for a registration, as ``register`` does at its prompt."""
        await self._running.types(f"register sip:{user}@{registrar} sip:{registrar} {password}")

    async def dial(self, uri: str) -> None:
        await self._running.types(f"call {uri}")

    async def talks(self) -> None:
        """Wait until a call has audio."""
        await self.says("Media streams established")

    async def press(self, digits: str) -> None:
        """Press keys in the running call."""
        await self._running.types(digits)

    async def hold(self) -> None:
        await self._running.types("pause")

    async def resume(self) -> None:
        await self._running.types("resume")

    async def hang_up(self) -> None:
        await self._running.types("terminate")

    async def ended(self) -> str:
        """Wait for the call's end; gives the words, a reason in brackets among them."""
        return await self.says(" ended (") + await self.says(")")

    async def hears(self, seconds: float) -> None:
        """Wait until the file of what it hears holds this much more than now."""
        before = self._heard_bytes()
        async with asyncio.timeout(WITHIN_S):
            while self._heard_bytes() < before + seconds * _HEARD_BYTES_S:
                await asyncio.sleep(0.02)

    def _heard_bytes(self) -> int:
        path = self._folder / "heard.wav"
        return path.stat().st_size if path.exists() else 0

    async def heard(self) -> Path:
        """Give what it heard; to be asked once the call is over."""
        path = self._folder / "heard.wav"
        async with asyncio.timeout(WITHIN_S):
            while not _is_whole(path):
                await asyncio.sleep(0.02)
        return path

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, says: Path, setup: Setup | None = None) -> AsyncIterator[Linphone]:
        """Run a phone that says this WAV file."""
        setup, ports = setup or Setup(), free_ports()
        own = folder / f"linphone-{ports.sip}"
        (own / ".local/share/linphone").mkdir(parents=True)
        config = own / "linphonerc"
        config.write_text(setup.config(ports))
        command = [program("linphonec"), "-c", str(config), "-l", str(own / "log"), "-d", "5"]
        if setup.answers:
            command.append("-a")
        environment = {"HOME": str(own)}
        async with RunningProgram.started(
            *command, name="linphonec", cwd=own, environment=environment
        ) as process:
            await process.until("linphonec>")
            await process.types("soundcard use files")
            await process.until("instead of soundcard", within_s=WITHIN_S)
            await process.types(f"play {says}")
            await process.types(f"record {own / 'heard.wav'}")
            try:
                yield cls(own, ports, setup.user, process)
            finally:
                if process.process.returncode is None:
                    await process.types("quit")
                    with suppress(AssertionError):
                        await process.ends()


def _is_whole(path: Path) -> bool:
    with suppress(wave.Error, EOFError, FileNotFoundError), wave.open(str(path)) as file:
        return bool(file.getnframes())
    return False
