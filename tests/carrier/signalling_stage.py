"""What the signalling half's tests share: an application, a carrier that calls it, time that runs fast."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import WSMsgType, web
from fastapi import FastAPI
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response as TwilioResponse  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from bridge.audio.g711 import encode_ulaw
from bridge.audio.tone import tone
from bridge.carrier.application import create_carrier
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.phone.leg import Answer
from bridge.carrier.phone.route import Routes
from bridge.clock import Clock, SystemClock
from tests.running import running_plain

ACCOUNT_SID = "AC" + "a" * 32
AUTH_TOKEN = "12345"
TIMEOUT_S = 20.0
"""Real seconds after which a test that waits has failed."""

SPOKEN = encode_ulaw(tone([440.0], 300))

Answering = Callable[["Asked"], Awaitable[web.StreamResponse]]


class FastClock:
    """Real time, so many times as fast: a minute of ringing takes a second or two."""

    def __init__(self, speed: float = 20.0) -> None:
        self._speed = speed
        self._machine = SystemClock()
        self._start_s = self._machine.now_s()

    def now_s(self) -> float:
        return 1000.0 + (self._machine.now_s() - self._start_s) * self._speed

    def utc(self) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=self.now_s() - 1000.0)

    async def sleep_until_s(self, deadline_s: float) -> None:
        await asyncio.sleep(max(0.0, (deadline_s - self.now_s()) / self._speed))


@dataclass
class Asked:
    """One request the application got."""

    method: str
    url: str
    path: str
    fields: dict[str, str]
    headers: dict[str, str]
    request: web.Request = field(repr=False)

    def signed(self, token: str = AUTH_TOKEN) -> bool:
        """What Twilio's own helper says about the signature."""
        posted = self.fields if self.method == "POST" else {}
        validator = RequestValidator(token)
        signature = self.headers.get("X-Twilio-Signature", "")
        return bool(validator.validate(self.url, posted, signature))


def twiml(body: str) -> web.Response:
    return web.Response(text=f"<Response>{body}</Response>", content_type="text/xml")


class Application:
    """A program of a Twilio user's: answers by path, keeps what it was asked, echoes media streams."""

    def __init__(self) -> None:
        self.answers: dict[str, Answering | web.Response] = {}
        self.asked: dict[str, list[Asked]] = defaultdict(list)
        self.streams: list[list[dict[str, Any]]] = []
        self.handshakes: list[Asked] = []
        self.close_after_frames: int | None = None
        self.url = ""
        self._changed = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, str] = {key: str(value) for key, value in (await request.post()).items()}
        fields |= dict(request.query)
        url = f"{self.url}{request.raw_path}"
        asked = Asked(request.method, url, request.path, fields, dict(request.headers), request)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._stream(request, asked)
        self.asked[request.path].append(asked)
        self._changed.set()
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=204)
        if isinstance(answer, web.Response):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        return await answer(asked)

    async def _stream(self, request: web.Request, asked: Asked) -> web.WebSocketResponse:
        self.handshakes.append(asked)
        messages: list[dict[str, Any]] = []
        self.streams.append(messages)
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        frames = 0
        async for message in ws:
            if message.type is not WSMsgType.TEXT:
                break
            event = json.loads(message.data)
            messages.append(event)
            self._changed.set()
            if event["event"] == "media":
                frames += 1
                payload = event["media"]["payload"]
                reply = {"event": "media", "streamSid": event["streamSid"], "media": {"payload": payload}}
                await ws.send_json(reply)
                if frames == self.close_after_frames:
                    await ws.close(code=1000)
        return ws

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; it is looked at whenever something arrives."""
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def heard(self, stream: int = 0) -> bytes:
        """Everything the phone said in one stream."""
        return b"".join(
            base64.b64decode(message["media"]["payload"])
            for message in self.streams[stream]
            if message["event"] == "media"
        )


@asynccontextmanager
async def application() -> AsyncIterator[Application]:
    """Serve an application on a free port of this machine."""
    program = Application()
    served = web.Application()
    served.router.add_route("*", "/{path:.*}", program.answer)
    runner = web.AppRunner(served, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    program.url = f"http://127.0.0.1:{port}"
    try:
        yield program
    finally:
        await runner.cleanup()


def routes(clock: Clock, *, spoken: bytes = SPOKEN, ring_s: float = 0.2) -> Routes:
    """The usual phones, quick to answer and to hang up."""
    return Routes(spoken, clock, ring_s=ring_s, hang_up_after_s=0.5)


class LocalHttpClient(TwilioHttpClient):  # type: ignore[misc]
    """Twilio's own HTTP client, led to another host; nothing else of the helper library is touched."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> TwilioResponse:
        local = url.replace("https://api.twilio.com", self._base_url)
        return super().request(method, local, *args, **kwargs)


class Carrier:
    """A carrier that runs on a port, and Twilio's helper library to use it with."""

    def __init__(self, app: FastAPI, url: str) -> None:
        self.url = url
        self.exchange: Exchange = app.state.exchange
        self.client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=LocalHttpClient(url))

    async def create(self, **parameters: Any) -> Any:
        """Create a call with the helper library, which blocks, so in a thread."""
        parameters = {"to": "sip:demo@localhost", "from_": "+15005550006", **parameters}
        return await asyncio.to_thread(lambda: self.client.calls.create(**parameters))

    async def fetch(self, sid: str) -> Any:
        return await asyncio.to_thread(lambda: self.client.calls(sid).fetch())

    async def update(self, sid: str, **parameters: Any) -> Any:
        return await asyncio.to_thread(lambda: self.client.calls(sid).update(**parameters))

    async def over(self, sid: str) -> Any:
        """Wait until a call is over, and fetch it."""
        async with asyncio.timeout(TIMEOUT_S):
            await self.exchange.find(sid).finished.wait()
        return await self.fetch(sid)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Run an application on a free port of this machine; gives its base URL."""
    async with running_plain(app, "none") as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def carrier(clock: Clock | None = None, **options: Any) -> AsyncIterator[Carrier]:
    """Run a carrier."""
    clock = clock or SystemClock()
    options = {"routes": routes(clock), **options}
    app = create_carrier(ACCOUNT_SID, AUTH_TOKEN, clock=clock, **options)
    async with served(app) as url:
        yield Carrier(app, url)


class CallingPhone:
    """A phone that calls in, says nothing of its own accord, and keeps what became of its call."""

    def __init__(self) -> None:
        self.was_answered = asyncio.Event()
        self.refused_with: int | None = None
        self.heard = bytearray()
        self.freed = 0
        self._hung_up = asyncio.Event()

    def give_up(self) -> None:
        self._hung_up.set()

    async def dial(self, ringing: Callable[[], None]) -> Answer:
        raise AssertionError("a phone that calls is not dialled")

    def speak(self) -> bytes:
        return b"\xff" * 160

    def hear(self, payload: bytes) -> None:
        self.heard += payload

    def digits(self) -> str:
        return ""

    async def hung_up(self) -> None:
        await self._hung_up.wait()

    async def hang_up(self) -> None:
        self.freed += 1

    async def answered(self) -> None:
        self.was_answered.set()

    async def refused(self, sip_status: int) -> None:
        self.refused_with = sip_status


@asynccontextmanager
async def exchange(clock: Clock | None = None, **options: Any) -> AsyncIterator[Exchange]:
    """Run an exchange with the usual phones and no API before it."""
    clock = clock or SystemClock()
    options = {"find_leg": routes(clock).find_leg, **options}
    switch = Exchange(ACCOUNT_SID, AUTH_TOKEN, clock=clock, **options)
    async with switch.running():
        yield switch


async def call_in(
    switch: Exchange, document: Document, phone: CallingPhone | None = None, **options: Any
) -> tuple[CarrierCall, CallingPhone]:
    """Let a phone call in, and wait until the call is over."""
    phone = phone or CallingPhone()
    request = CallRequest(to="+15005550006", from_="+12025550199", document=document, **options)
    async with asyncio.timeout(TIMEOUT_S):
        return await switch.receive(request, phone), phone
