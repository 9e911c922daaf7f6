"""The product as its users run it: a carrier with a SIP port and a server, each a process, on free ports."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import httpx
import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.peers.sip.plan import SAYS_DBFS, SAYS_HZ, Plan
from tests.peers.sip.ports import Ports, free_ports
from tests.peers.sip.running_program import RunningProgram

__all__ = ["SAYS_DBFS", "SAYS_HZ", "Plan", "Site"]

ACCOUNT: Final = f"AC{'1' * 32}"
TOKEN: Final = "2" * 32
NUMBER: Final = "+15005550006"

WITHIN_S: Final = 15.0
_READY_WITHIN_S: Final = 30.0
_RECORDED_BYTES_S: Final = 8_000 * 2 * 2
"""PCM16 at 8 kHz, two channels; written about once a second."""


class Site:
    """
    One running carrier and server.

    Attributes:
        ports: ``sip`` and ``tls`` are the carrier's.
        events: All the server's feed has told, oldest first.
        http: Speaks to the server.

    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        carrier: RunningProgram,
        server: RunningProgram,
        http: httpx.AsyncClient,
    ) -> None:
        self.ports: Final = ports
        self.events: Final[list[dict[str, Any]]] = []
        self.http: Final = http
        self.carrier: Final = carrier
        self.server: Final = server
        self._folder: Final = folder
        self._news = asyncio.Condition()

    @property
    def address(self) -> str:
        """The carrier's ``host:port`` of SIP."""
        return f"127.0.0.1:{self.ports.sip}"

    def uri(self, user: str, transport: str = "udp") -> str:
        """Write the address of somebody behind the carrier."""
        port = self.ports.tls if transport == "tls" else self.ports.sip
        return f"sip:{user}@127.0.0.1:{port};transport={transport}"

    async def call(self, to: str, **fields: Any) -> str:
        """Place a call by the server's own API; gives its SID."""
        answer = await self.http.post("/calls", json={"to": to, "from": NUMBER, **fields})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["sid"])

    async def hang_up(self, sid: str) -> None:
        answer = await self.http.post(f"/calls/{sid}/hangup")
        assert answer.is_success, answer.text

    async def record(self, sid: str) -> dict[str, Any]:
        """Give what the server knows of a call."""
        answer = await self.http.get(f"/calls/{sid}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def event(self, kind: str, *, within_s: float = WITHIN_S, **members: Any) -> dict[str, Any]:
        """Give the first event of this kind with these members, waiting for it."""

        def found() -> dict[str, Any] | None:
            wanted = {"event": kind, **members}.items()
            return next((event for event in self.events if wanted <= event.items()), None)

        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(found)
        except TimeoutError:
            told = "\n".join(map(str, self.events[-20:]))
            raise AssertionError(
                f"no {kind} {members} in {within_s} s, but\n{told}\n{self.carrier.tail}\n{self.server.tail}"
            ) from None
        event = found()
        assert event is not None
        return event

    async def state(self, sid: str, status: str, *, within_s: float = WITHIN_S) -> None:
        """Wait until a call is in this state."""
        await self.event("state", call_sid=sid, status=status, within_s=within_s)

    async def digits(self, sid: str, count: int) -> str:
        """Wait until the server has heard this many digits of a call; gives all of them."""

        def pressed() -> list[str]:
            return [e["digit"] for e in self.events if e["event"] == "dtmf" and e["call_sid"] == sid]

        async with asyncio.timeout(WITHIN_S), self._news:
            await self._news.wait_for(lambda: len(pressed()) >= count)
        return "".join(pressed())

    async def incoming(self) -> str:
        """Wait for the first call's stream; gives the call's SID."""
        return str((await self.event("stream-started"))["call_sid"])

    async def hears(self, sid: str, seconds: float) -> None:
        """Wait until a call's recording is this much longer than now."""
        async with asyncio.timeout(WITHIN_S):
            while not (files := list(self._folder.glob(f"*_{sid}_*.wav"))):
                await asyncio.sleep(0.02)
            wanted = files[0].stat().st_size + seconds * _RECORDED_BYTES_S
            while files[0].stat().st_size < wanted:
                await asyncio.sleep(0.02)

    def recording(self, sid: str) -> Path:
        """Give the server's recording of a call: left what the phone said, right what it was to hear."""
        [path] = self._folder.glob(f"*_{sid}_*.wav")
        return path

    async def recorded(self, sid: str) -> Path:
        """Wait until the recording is finished."""
        await self.event("stream-ended", call_sid=sid)
        async with asyncio.timeout(WITHIN_S):
            while any(
                sink == "running"
                for stream in (await self.record(sid))["streams"]
                for sink in stream["sinks"].values()
            ):
                await asyncio.sleep(0.02)
        return self.recording(sid)

    async def roster(self) -> dict[str, Any]:
        """Give the carrier's list of phones and trunks."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{self.ports.control + 1}/phones")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def registered(
        self, user: str, count: int = 1, *, within_s: float = WITHIN_S
    ) -> list[dict[str, Any]]:
        """Wait until a user is registered in this many places; gives them."""
        async with asyncio.timeout(within_s):
            while True:
                places = [phone for phone in (await self.roster())["phones"] if phone["user"] == user]
                if len(places) == count:
                    return places
                await asyncio.sleep(0.05)

    async def trunk_is(self, name: str, state: str, *, within_s: float = WITHIN_S) -> str:
        """Wait until a trunk is in this state; gives the reason."""
        async with asyncio.timeout(within_s):
            while True:
                for trunk in (await self.roster())["trunks"]:
                    if (trunk["name"], trunk["state"]) == (name, state):
                        return str(trunk["reason"])
                await asyncio.sleep(0.05)

    async def live_calls(self) -> int:
        """How many calls the carrier has."""
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{self.ports.control + 1}/healthz")
        return int(answer.json()["live_calls"])

    async def idle(self, *, within_s: float = WITHIN_S) -> None:
        """Wait until no call is left."""
        async with asyncio.timeout(within_s):
            while await self.live_calls():
                await asyncio.sleep(0.05)

    def carrier_files(self) -> int:
        """How many file descriptors the carrier holds."""
        return psutil.Process(self.carrier.process.pid).num_fds()

    def carrier_threads(self) -> int:
        """How many threads the carrier has."""
        return int(psutil.Process(self.carrier.process.pid).num_threads())

    def carrier_mb(self) -> float:
        """How much memory the carrier takes."""
        return float(psutil.Process(self.carrier.process.pid).memory_info().rss) / 1e6

    def assert_unharmed(self) -> None:
        """Both processes live, and neither logged a fault of its own or was blocked."""
        for one in (self.carrier, self.server):
            assert one.process.returncode is None, one.tail
            for complaint in ("Traceback", "blocks the event loop"):
                assert complaint not in one.said, f"{one.name}: {complaint}\n{one.tail}"

    async def _listen(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed, asyncio.CancelledError):
            async for message in socket:
                async with self._news:
                    self.events.append(json.loads(message))
                    self._news.notify_all()

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, plan: Plan | None = None) -> AsyncIterator[Self]:
        """Run both for as long as the block runs; their files are below ``folder``."""
        plan, ports = plan or Plan(), free_ports()
        own = folder / f"site-{ports.sip}"
        own.mkdir()
        (own / "bridge.toml").write_text(plan.toml(ports, own))
        carrier_api, server_api = (f"http://127.0.0.1:{ports.control + n}" for n in (1, 0))
        environment = {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_PHONE_NUMBER": NUMBER,
            "BRIDGE_LOCAL_CREDENTIALS": "true",
            "BRIDGE_TWILIO_API_BASE": carrier_api,
        }
        if plan.certificate is not None:
            environment["SSL_CERT_FILE"] = str(plan.certificate.authority)
        words = (sys.executable, "-m", "bridge")
        async with (
            RunningProgram.started(
                *words, "carrier", name="carrier", cwd=own, environment=environment
            ) as carrier,
            RunningProgram.started(
                *words, "serve", name="server", cwd=own, environment=environment
            ) as server,
            httpx.AsyncClient(base_url=server_api) as http,
        ):
            for program, url in ((carrier, carrier_api), (server, server_api)):
                await _ready(program, f"{url}/healthz")
            one = cls(own, ports, carrier, server, http)
            async with connect(f"ws://127.0.0.1:{ports.control}/events?after=0") as socket:
                listening = asyncio.create_task(one._listen(socket))
                try:
                    yield one
                finally:
                    listening.cancel()
                    await listening


async def _ready(program: RunningProgram, url: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(_READY_WITHIN_S):
        while True:
            with suppress(httpx.TransportError):
                if (await client.get(url)).is_success:
                    return
            assert program.process.returncode is None, program.tail
            await asyncio.sleep(0.05)
