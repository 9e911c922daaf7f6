"""baresip without a sound card, driven over its ctrl_tcp module (netstrings of JSON)."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.peers.program import program
from tests.peers.sip.certificate import Certificate
from tests.peers.sip.ports import Ports, free_ports
from tests.peers.sip.running_program import RunningProgram

WITHIN_S: Final = 10.0
_LIFE_S: Final = 120
"""An instance ends by itself after this time, even if its test was killed."""

_HEARD_BYTES_S: Final = 16_000
"""It writes what it hears as PCM16 at 8 kHz."""

Transport = Literal["udp", "tcp", "tls"]

# Codecs and encryption are named before account.so: accounts look for them when they are read.
_CONFIG: Final = """\
poll_method             epoll
module_path             {modules}
module                  g711.so
module                  srtp.so
module                  aufile.so
module                  aubridge.so
module                  sndfile.so
module                  account.so
module                  ctrl_tcp.so
module_app              menu.so
net_interface           127.0.0.1
call_local_timeout      120
call_max_calls          20
audio_level             no
rtp_ports               {ports.media}-{ports.media_last}
jitter_buffer_type      fixed
jitter_buffer_delay     {buffer}
sip_listen              127.0.0.1:{ports.sip}
audio_source            aufile,{says}
audio_player            aubridge,sink
audio_alert             aubridge,alert
ctrl_tcp_listen         127.0.0.1:{ports.control}
snd_path                {folder}
{tls}
"""

_MODULES: Final = ("/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules")


@dataclass(frozen=True, slots=True)
class Phone:
    """
    How one baresip is set up.

    Attributes:
        user: Its name.
        answer: ``auto`` at once, ``manual`` when told to.
        transport: Of its own calls; it takes calls over all of them, TLS only with ``certificate``.
        srtp: ``srtp`` offers it and does without, ``srtp-mand`` insists.
        registrar: ``host:port`` to register at, and to send its calls through; ``None`` for neither.
        password: For whoever challenges it.
        expires_s: How long a registration is asked for.
        certificate: Its own, and whom it trusts.
        codecs: All that it speaks, the best first.
        ptime_ms: How much it says in a packet, and wants to hear in one; whoever answers it with another
            time gets his packets of that length.
        buffers: Whether it has a jitter buffer, of two to four packets; without one it hears a packet as
            it comes.

    """

    user: str = "bob"
    answer: Literal["auto", "manual"] = "auto"
    transport: Transport = "udp"
    srtp: Literal["", "srtp", "srtp-mand"] = ""
    registrar: str | None = None
    password: str | None = None
    expires_s: int = 60
    certificate: Certificate | None = None
    codecs: str = "PCMU,PCMA"
    ptime_ms: int = 20
    buffers: bool = True

    def account(self, ports: Ports) -> str:
        """Write its line in the file ``accounts``."""
        host = self.registrar or f"127.0.0.1:{ports.sip}"
        words = [f"<sip:{self.user}@{host};transport={self.transport}>", f"answermode={self.answer}"]
        words += [f"audio_codecs={self.codecs}", f"ptime={self.ptime_ms}"]
        words.append(f"regint={self.expires_s if self.registrar else 0}")
        if self.srtp:
            words.append(f"mediaenc={self.srtp}")
        if self.password is not None:
            words += [f"auth_user={self.user}", f"auth_pass={self.password}"]
        return ";".join(words)


class Baresip:
    """
    One running phone.

    Attributes:
        ports: Where it is.
        events: Everything it told, oldest first: ``type`` (``CALL_RINGING`` …), ``param`` and more.

    """

    def __init__(self, folder: Path, ports: Ports, phone: Phone, running: RunningProgram) -> None:
        self.ports: Final = ports
        self.events: Final[list[dict[str, Any]]] = []
        self._folder: Final = folder
        self._phone: Final = phone
        self._running: Final = running
        self._waited_for: set[int] = set()
        self._news = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None

    @property
    def uri(self) -> str:
        """Where to call it, over its own transport."""
        port = self.ports.tls if self._phone.transport == "tls" else self.ports.sip
        return f"sip:{self._phone.user}@127.0.0.1:{port};transport={self._phone.transport}"

    @property
    def trace(self) -> str:
        """Every SIP message it sent and received, and its own words."""
        return self._running.said

    async def says(self, words: str, *, within_s: float = WITHIN_S) -> str:
        """Wait for words in ``trace``, after those last waited for."""
        return await self._running.until(words, within_s=within_s)

    async def registered(self, *, within_s: float = WITHIN_S) -> None:
        """Wait until a registrar has taken it."""
        await self.says("[1 binding", within_s=within_s)

    async def dial(self, uri: str) -> None:
        await self._command("dial", uri)

    async def accept(self) -> None:
        await self._command("accept")

    async def hang_up(self) -> None:
        """End the call; one that rings is declined with 486."""
        await self._command("hangup")

    async def hold(self) -> None:
        await self._command("hold")

    async def resume(self) -> None:
        await self._command("resume")

    async def press(self, digits: str) -> None:
        """Press keys, one after the other (RFC 4733)."""
        for digit in digits:
            await self._command("sndcode", digit)

    async def event(self, kind: str, *, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Wait for the next event of this kind that nobody has waited for yet."""

        def number() -> int | None:
            fresh = (n for n, event in enumerate(self.events) if event.get("type") == kind)
            return next((n for n in fresh if n not in self._waited_for), None)

        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: number() is not None)
        except TimeoutError:
            told = [event.get("type") for event in self.events]
            raise AssertionError(f"no {kind} in {within_s} s, but {told}\n{self._running.tail}") from None
        found = number()
        assert found is not None
        self._waited_for.add(found)
        return self.events[found]

    async def digits(self, count: int) -> str:
        """Wait for this many digits that it heard."""
        return "".join([str((await self.event("CALL_DTMF_START"))["param"]) for _ in range(count)])

    async def hears(self, seconds: float, *, within_s: float = WITHIN_S) -> None:
        """Wait until the file of its latest call holds this much more than now."""
        before = self._heard_bytes()
        try:
            async with asyncio.timeout(within_s):
                while self._heard_bytes() < before + seconds * _HEARD_BYTES_S:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            heard_s = (self._heard_bytes() - before) / _HEARD_BYTES_S
            raise AssertionError(f"heard {heard_s} s in {within_s} s\n{self._running.tail}") from None

    def _heard_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("dump-*-dec.wav"))

    async def heard(self) -> Path:
        """
        Give the file of what its latest call heard; to be asked once the call is over.

        A hold ends the recording for good: baresip 1.0 makes a new player then, without its filter.
        """
        async with asyncio.timeout(WITHIN_S):
            while True:
                files = sorted(self._folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)
                if files and _is_whole(files[-1]):
                    return files[-1]
                await asyncio.sleep(0.02)

    async def _command(self, command: str, parameters: str = "") -> None:
        assert self._writer is not None
        body = json.dumps({"command": command, "params": parameters}).encode()
        self._writer.write(b"%d:%s," % (len(body), body))
        await self._writer.drain()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                told = json.loads((await reader.readexactly(length + 1))[:-1])
                async with self._news:
                    self.events.append(told)
                    self._news.notify_all()

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, says: Path, phone: Phone | None = None) -> AsyncIterator[Baresip]:
        """Run a phone that says this 8 kHz WAV file; its own files are below ``folder``."""
        phone, ports = phone or Phone(), free_ports()
        own = folder / f"baresip-{phone.user}-{ports.sip}"
        own.mkdir()
        (own / "config").write_text(_config(own, ports, says, phone))
        (own / "accounts").write_text(f"{phone.account(ports)}\n")
        (own / "contacts").touch()
        command = (program("baresip"), "-f", str(own), "-t", str(_LIFE_S), "-s")
        async with RunningProgram.started(*command, cwd=own) as process:
            await process.until("baresip is ready")
            reader, writer = await asyncio.open_connection("127.0.0.1", ports.control)
            one = cls(own, ports, phone, process)
            one._writer = writer
            listening = asyncio.create_task(one._listen(reader))
            try:
                yield one
            finally:
                writer.close()
                listening.cancel()
                await listening


def _config(folder: Path, ports: Ports, says: Path, phone: Phone) -> str:
    modules = next((path for path in _MODULES if Path(path).is_dir()), _MODULES[0])
    tls = ""
    if phone.certificate is not None:
        tls = f"sip_certificate {phone.certificate.both}\nsip_cafile {phone.certificate.authority}\n"
    buffer = "2-4" if phone.buffers else "0-0"
    return _CONFIG.format(modules=modules, ports=ports, says=says, folder=folder, tls=tls, buffer=buffer)


def _is_whole(path: Path) -> bool:
    """Whether the file's header knows its length: it is written last."""
    with suppress(wave.Error, EOFError), wave.open(str(path)) as file:
        size: int = file.getnframes() * file.getsampwidth() * file.getnchannels()
        return 0 < size <= path.stat().st_size
    return False
