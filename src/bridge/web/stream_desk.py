"""Takes media sockets: checks them, makes sessions of them, runs their sinks, keeps the record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.websockets import WebSocket

from bridge.calls.context import CALL_SID, STREAM_SID
from bridge.calls.record import CallRecord, CallUpdate
from bridge.calls.socket import DirectSocket
from bridge.calls.status import STREAM_REASONS
from bridge.calls.store import CallStore
from bridge.clock import Clock
from bridge.errors import ConfigurationError
from bridge.mediastream.messages import StartBody
from bridge.mediastream.server_side import ServerStream
from bridge.session.directory import Directory
from bridge.session.facts import CallFacts
from bridge.session.session import Session
from bridge.sinks.sink import BoundSink
from bridge.web.asgi_socket import MediaSocket, media_socket
from bridge.web.auth import Handshake, TwilioGate
from bridge.web.intake import Intake, Refusal
from bridge.web.problem import Problem
from bridge.web.stream_parameters import read_facts
from bridge.web.token import TOKEN_PARAMETER, Promise, TokenOffice

log = logging.getLogger(__name__)

ChooseSinks = Callable[[Sequence[str] | None], tuple[BoundSink, ...]]
"""The sinks of one call: the named ones, or the configured ones for ``None``."""

NewSession = Callable[[CallFacts, ServerStream, DirectSocket], Session]

_CLOSING_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class StreamRules:
    """What a media socket may do before it has proved who it is."""

    start_timeout_s: float = 60.0
    unsigned_max: int = 64
    silence_s: float = 60.0
    """An open stream that says nothing at all for so long has lost its peer: frames come in silence too."""


class StreamDesk:
    """
    One per server.

    Args:
        gate: Judges handshakes.
        tokens: Judges ``start`` messages.
        new_session: Makes a session of an accepted ``start``.
        choose_sinks: Chooses a call's sinks.

    Attributes:
        lost: Is told of a call whose stream broke while its record goes on; it may ask what became of it.

    """

    def __init__(
        self,
        *,
        gate: TwilioGate,
        tokens: TokenOffice,
        rules: StreamRules,
        store: CallStore,
        directory: Directory,
        new_session: NewSession,
        choose_sinks: ChooseSinks,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._tokens = tokens
        self._rules = rules
        self._store = store
        self._directory = directory
        self._new_session = new_session
        self._choose_sinks = choose_sinks
        self._clock = clock
        self._unproven = 0
        self.lost: Callable[[CallRecord], None] = lambda _record: None

    async def serve(self, websocket: WebSocket) -> None:
        """
        Serve one media socket from its handshake to its last sink.

        Raises:
            Problem: the handshake is refused; nothing was accepted yet.

        """
        handshake = self._gate.handshake(websocket)
        if self._directory.is_draining:
            raise Problem(503, "draining", "This server is stopping and takes no new streams.")
        if not (handshake.signed or handshake.loopback) and self._unproven >= self._rules.unsigned_max:
            raise Problem(
                503,
                "too_many_unsigned",
                f"{self._unproven} sockets without a signature are open already.",
                hint="Sign the handshake, or raise BRIDGE_UNSIGNED_SOCKETS_MAX.",
            )
        await websocket.accept()
        socket = media_socket(websocket)
        promises: list[Promise] = []

        def admit(start: StartBody, stream: ServerStream) -> Session | Refusal:
            if self._directory.is_draining:
                return Refusal(1012, "this server is stopping")
            promise = self._judge(handshake, start)
            if isinstance(promise, Refusal):
                return promise
            promises.append(promise)
            session = self._new_session(read_facts(start), stream, socket)
            self._directory.add(session)
            return session

        intake = Intake(socket, admit)
        async with asyncio.TaskGroup() as group:
            carrying = group.create_task(_carry(socket, intake))
            try:
                await self._wait_for_start(intake, socket, handshake)
                if intake.session is not None:
                    watch = group.create_task(self._watch(intake, intake.session, handshake))
                    await self._run(intake.session, promises[0])
                    watch.cancel()
            finally:
                socket.close(1000, "stream ended")
                await asyncio.wait([carrying], timeout=_CLOSING_S)
                carrying.cancel()

    def _judge(self, handshake: Handshake, start: StartBody) -> Promise | Refusal:
        """A signature or a token opens a stream; on lax loopback nothing is asked for."""
        token = start.customParameters.get(TOKEN_PARAMETER)
        promise = self._tokens.take(token) if token else None
        if promise is not None:
            return promise
        if handshake.signed or handshake.loopback:
            return Promise()
        if token:
            return Refusal(1008, "the stream token is wrong, expired or used already")
        return Refusal(1008, "no valid X-Twilio-Signature on the handshake and no token in start")

    async def _wait_for_start(self, intake: Intake, socket: MediaSocket, handshake: Handshake) -> None:
        proven = handshake.signed or handshake.loopback
        timeout_s = None if handshake.loopback else self._rules.start_timeout_s
        self._unproven += not proven
        try:
            async with asyncio.timeout(timeout_s):
                await intake.opened.wait()
        except TimeoutError:
            socket.close(1008, f"no valid start message within {timeout_s:g} s")
        finally:
            self._unproven -= not proven

    async def _watch(self, intake: Intake, session: Session, handshake: Handshake) -> None:
        """End a stream whose peer has vanished without a word (a missing pong proves nothing at Twilio)."""
        if handshake.loopback:
            return  # the kernel tells of every end on this machine, and people type into wscat slowly
        seen = -1
        while seen != intake.messages:
            seen = intake.messages
            await self._clock.sleep_until_s(self._clock.now_s() + self._rules.silence_s)
        log.warning("nothing came for %g s; the stream is taken for lost", self._rules.silence_s)
        session.end("lost")

    async def _run(self, session: Session, promise: Promise) -> None:
        CALL_SID.set(session.sid)
        STREAM_SID.set(session.stream_sid)
        log.info("stream started")
        try:
            record = await self._store.add(
                CallRecord(
                    sid=session.sid,
                    direction=session.direction,
                    from_=session.from_,
                    to=session.to,
                    created_at=session.started_at,
                    status="in-progress",
                    parameters=session.parameters,
                    answered_at=session.started_at,
                )
            )
            # Whoever heard of the call first made its record; from here on it is answered.
            record.apply(CallUpdate(session.sid, "in-progress", session.started_at))
            record.add_stream(session.record)
            await self._store.save(record)  # before its end, which may be there already: both are told
            session.on_end = lambda: self._note_end(record, session)
            if session.end_reason is not None:
                self._note_end(record, session)
            await session.run(self._sinks_of(promise))
            await self._store.save(record)
        finally:
            session.end("lost")
            self._directory.remove(session)
            log.info("stream ended: %s after %d ms", session.end_reason, session.at_ms)

    def _note_end(self, record: CallRecord, session: Session) -> None:
        """Tell the record why its stream ended, at once: the carrier's callback may be a moment behind."""
        record.expect_end(STREAM_REASONS[session.end_reason or "lost"])
        ended_at = session.record.ended_at
        if record.direction == "incoming" and ended_at is not None:
            # Nobody tells us when an incoming call ends; our TwiML has nothing after its stream.
            record.finish(ended_at)
        elif session.end_reason == "lost" and not record.is_over:
            self.lost(record)

    def _sinks_of(self, promise: Promise) -> tuple[BoundSink, ...]:
        try:
            return self._choose_sinks(promise.sinks)
        except ConfigurationError as error:
            log.warning("the sinks asked for cannot run, the configured ones do instead: %s", error)
            return self._choose_sinks(None)


async def _carry(socket: MediaSocket, intake: Intake) -> None:
    try:
        await socket.carry(intake)
    finally:
        intake.gone()
