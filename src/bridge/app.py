"""The composition root: builds every part from the settings and passes each what it needs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, FastAPI

from bridge import __version__
from bridge.calls.event import CallEvent
from bridge.calls.event_json import event_json
from bridge.calls.feed import EventFeed
from bridge.calls.observed_store import ObservedStore
from bridge.calls.placing import PlaceCall
from bridge.calls.socket import DirectSocket
from bridge.calls.store import MemoryCallStore
from bridge.clock import Clock, SystemClock
from bridge.errors import BridgeError
from bridge.mediastream.server_side import ServerStream
from bridge.session.announcer import Announcer
from bridge.session.directory import Directory
from bridge.session.facts import CallFacts, SessionOptions
from bridge.session.session import Session
from bridge.session.stall_watch import StallWatch
from bridge.settings import Settings, SinkChoice
from bridge.sinks.registry import bind_all, installed
from bridge.sinks.sink import BoundSink
from bridge.ticker import Ticker
from bridge.twilio.copier import StatusCopier
from bridge.twilio.lost_calls import LostCalls
from bridge.twilio.placer import Placer
from bridge.twilio.rest import TwilioRest
from bridge.web import problem
from bridge.web.audio_socket import audio_socket_router
from bridge.web.auth import AppGate, TwilioGate
from bridge.web.callbacks import callbacks_router, stream_callbacks_router
from bridge.web.calls import calls_router
from bridge.web.control import control_router
from bridge.web.copy_queue import CopyQueue
from bridge.web.event_stream import event_stream_router
from bridge.web.incoming import incoming_router
from bridge.web.live_audio import live_audio_router
from bridge.web.media_stream import media_stream_router
from bridge.web.open_sockets import OpenSockets
from bridge.web.operations import operations_router
from bridge.web.origin import PublicAddress
from bridge.web.placing import placing_router
from bridge.web.stream_desk import StreamDesk, StreamRules
from bridge.web.stream_parameters import stream_parameters
from bridge.web.token import Promise, TokenOffice

log = logging.getLogger(__name__)

_DRAIN_SPARE_S: Final = 5.0


class Bridge:
    """
    The parts of one server process.

    Attributes:
        stall_watch: Names who blocks the event loop.
        directory: The live calls.
        open_sockets: The programs that hear one, or follow the events.
        feed: What happens in all calls.
        store: The calls' records; tells the feed what is new in them.
        tokens: Mints and takes stream tokens.
        app_gate: Lets the routes of our own programs through.

    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        token = settings.twilio_auth_token.get_secret_value() if settings.twilio_auth_token else None
        key = settings.api_key.get_secret_value() if settings.api_key else None
        self.settings: Final = settings
        self.clock: Final = clock
        self.ticker: Final = Ticker(clock)
        self.stall_watch: Final = StallWatch(clock)
        self.directory: Final = Directory()
        self.open_sockets: Final = OpenSockets()
        self.feed: Final = EventFeed(clock)
        self.store: Final = ObservedStore(
            MemoryCallStore(settings.calls_kept), Announcer(self.directory, self.feed)
        )
        self.tokens: Final = TokenOffice(token or key, ttl_s=settings.stream_token_ttl_s, clock=clock)
        self.app_gate: Final = AppGate(key)
        self.gate: Final = TwilioGate(
            auth_token=token,
            is_local=settings.local_credentials,
            public=PublicAddress(settings.public_url, settings.trusted_proxies),
        )
        self.carrier: Final = self._carrier(token)
        self.copier: Final = StatusCopier(token)
        self.copies: Final = CopyQueue()
        self._configured_sinks: Final = self._bind(settings.sinks)
        self._session_options: Final = SessionOptions(
            lead_ms=settings.playout_lead_ms, preroll_ms=settings.preroll_ms, grace_s=settings.sink_grace_s
        )
        self.desk: Final = StreamDesk(
            gate=self.gate,
            tokens=self.tokens,
            rules=StreamRules(settings.start_timeout_s, settings.unsigned_sockets_max),
            store=self.store,
            directory=self.directory,
            new_session=self._new_session,
            choose_sinks=self.sinks_named,
            clock=clock,
        )
        self.lost_calls: Final = LostCalls(
            None if self.carrier is None else self.carrier.state_of, self.store, clock
        )
        self.desk.lost = self.lost_calls.add
        self.placer: Final = Placer(
            carrier=self.carrier,
            store=self.store,
            mint=self._mint,
            clock=clock,
            default_from=settings.twilio_phone_number,
            greeting=None,  # who is called need not be told to wait for themselves
            # Only what is configured or installed: a request must never name a file to import.
            known_sinks={sink.label for sink in self._configured_sinks} | {one.name for one in installed()},
        )

    def _carrier(self, auth_token: str | None) -> TwilioRest | None:
        account_sid = self.settings.twilio_account_sid
        if account_sid is None or auth_token is None:
            return None
        return TwilioRest(account_sid, auth_token, api_base=self.settings.twilio_api_base)

    def _mint(self, request: PlaceCall) -> dict[str, str]:
        return stream_parameters(
            token=self.tokens.mint(Promise(request.sinks)),
            from_=request.from_,
            to=request.to.address,
            placed=True,
            own=request.parameters,
        )

    def sinks_named(self, names: Sequence[str] | None) -> tuple[BoundSink, ...]:
        """
        The configured sinks, or these instead; a configured one keeps its options.

        Raises:
            ConfigurationError: there is no such sink.

        """
        if names is None:
            return self._configured_sinks
        configured = {sink.label: sink for sink in self._configured_sinks}
        return tuple(configured.get(name) or self._bind([SinkChoice(name)])[0] for name in names)

    def _bind(self, choices: Sequence[SinkChoice]) -> tuple[BoundSink, ...]:
        defaults = {"wav": {"directory": self.settings.recordings_dir}}
        return bind_all((one.use, {**defaults.get(one.use, {}), **one.options}) for one in choices)

    def _new_session(self, facts: CallFacts, stream: ServerStream, socket: DirectSocket) -> Session:
        stream_sid = stream.start.streamSid if stream.start is not None else None

        def publish(event: CallEvent) -> None:
            self.feed.publish(event_json(event), call_sid=facts.sid, stream_sid=stream_sid)

        return Session(
            facts,
            stream=stream,
            socket=socket,
            clock=self.clock,
            ticker=self.ticker,
            options=self._session_options,
            hang_up=self._hang_up,
            publish=publish,
        )

    async def _hang_up(self, call_sid: str) -> bool:
        """End a call by REST; false where there is no carrier to ask, or it refuses."""
        if self.carrier is None:
            return False
        try:
            await self.carrier.hang_up(call_sid)
        except BridgeError as error:
            log.warning("hanging up by REST failed: %s", error)
            return False
        return True

    async def hang_up_stream(self, call_sid: str) -> bool:
        """End the live stream of a call; false if there is none."""
        session = self.directory.find(call_sid)
        if session is None:
            return False
        session.close("hangup")
        return True

    def count(self) -> None:
        """Bring the live calls' records up to date."""
        for session in self.directory:
            session.count()

    async def drain(self) -> None:
        """Finish the live calls before the server stops; safe to call twice."""
        if not self.directory.is_draining:
            try:
                await self.directory.drain(self.settings.sink_grace_s + _DRAIN_SPARE_S)
            finally:
                self.feed.end()  # after the last event of the last call: its readers end with it
            await self.open_sockets.closed(_DRAIN_SPARE_S)

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Keep the 20 ms schedule while the application runs; finish calls on any ASGI server's shutdown."""
        async with (
            self.stall_watch.running(),
            self.copies.running(),
            self.lost_calls.running(),
            asyncio.TaskGroup() as group,
        ):
            timers = [group.create_task(self.ticker.run()), group.create_task(self.feed.beat())]
            try:
                yield
                await self.drain()
            finally:
                for timer in timers:
                    timer.cancel()
        await self.copier.close()
        if self.carrier is not None:
            await self.carrier.close()


def create_app(settings: Settings, *, clock: Clock | None = None) -> FastAPI:
    """
    Build the application.

    Raises:
        ConfigurationError: a configured sink cannot be found or its options are wrong.

    """
    bridge = Bridge(settings, clock or SystemClock())
    app = FastAPI(
        title="bridge",
        version=__version__,
        summary="Phone calls into Python, live",
        lifespan=bridge.lifespan,
    )
    app.state.bridge = bridge
    problem.install(app)
    for router in _routers(bridge):
        app.include_router(router)
    return app


def _routers(bridge: Bridge) -> list[APIRouter]:
    gate, store, clock = bridge.gate, bridge.store, bridge.clock
    return [
        incoming_router(
            gate=gate, tokens=bridge.tokens, store=store, clock=clock, greeting=bridge.settings.greeting
        ),
        media_stream_router(bridge.desk),
        callbacks_router(
            gate=gate,
            store=store,
            copier=bridge.copier,
            copies=bridge.copies,
            settled=bridge.placer.settled,
            clock=clock,
        ),
        stream_callbacks_router(gate=gate, store=store, clock=clock),
        placing_router(placer=bridge.placer, guard=bridge.app_gate, base_url=gate.public.base),
        calls_router(
            store=store,
            carrier=bridge.carrier,
            hang_up_stream=bridge.hang_up_stream,
            guard=bridge.app_gate,
            count=bridge.count,
        ),
        control_router(directory=bridge.directory, store=store, guard=bridge.app_gate),
        live_audio_router(directory=bridge.directory, store=store, guard=bridge.app_gate),
        audio_socket_router(
            directory=bridge.directory,
            store=store,
            sockets=bridge.open_sockets,
            guard=bridge.app_gate,
            clock=clock,
        ),
        event_stream_router(feed=bridge.feed, sockets=bridge.open_sockets, guard=bridge.app_gate),
        operations_router(directory=bridge.directory, version=__version__),
    ]
