"""The owner of all calls on the carrier: takes them in, runs each one by itself, and remembers the latest."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Final

import aiohttp

from bridge.carrier.call.call import CarrierCall, Direction
from bridge.carrier.call.equipment import Equipment, FindLeg, Life
from bridge.carrier.call.incoming import IncomingLeg, run_incoming_call
from bridge.carrier.call.placed import run_placed_call
from bridge.carrier.call.race import first_of
from bridge.carrier.call.request import CallRequest
from bridge.carrier.call.ring import finish
from bridge.carrier.call.sheltered import sheltered
from bridge.carrier.call.sip_target import without_headers
from bridge.carrier.call.turnstile import Turnstile
from bridge.carrier.phone.voice import Voice
from bridge.carrier.webhook.callback import Callbacks
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.clock import Clock
from bridge.errors import CallUnknown, CarrierRefused
from bridge.masking import mask_number
from bridge.ticker import Ticker

MAX_CALLS: Final = 10_000
"""Calls remembered, and the most that may be live at once; the ones that ended first are forgotten first."""

_MAX_CONNECTIONS: Final = 1_000
_GRACE_S: Final = 3.0
"""How long calls and callbacks may take to end when the carrier stops."""

log = logging.getLogger(__name__)


class Exchange:
    """
    All calls of one account.

    Args:
        account_sid: ``AC…``.
        auth_token: Signs webhooks, callbacks and media sockets; ``None`` signs nothing.
        clock: Time.
        find_leg: Gives the phone a placed call is for; ``None`` if there is none.
        calls_per_second: How many placed calls leave a second; ``None`` for no limit.
        max_calls: See ``MAX_CALLS``.
        jitter: Chance for the streams' time stamps.
        voice: Reads ``<Say>`` aloud; without one it is a tone.

    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str | None,
        *,
        clock: Clock,
        find_leg: FindLeg,
        calls_per_second: float | None = None,
        max_calls: int = MAX_CALLS,
        jitter: Random | None = None,
        voice: Voice | None = None,
    ) -> None:
        self.account_sid: Final = account_sid
        self._auth_token = auth_token
        self._clock = clock
        self._find_leg = find_leg
        self._turnstile = Turnstile(calls_per_second, clock)
        self._max_calls = max_calls
        self._jitter = jitter or Random()  # noqa: S311  (jitter, no secret)
        self._voice = voice
        self.ticker: Final = Ticker(clock)
        self._calls: dict[str, CarrierCall] = {}
        self._ended: deque[str] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._equipment: Equipment | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take calls while this is open; leaving it ends them all, within a few seconds."""
        # A connection each: one kept from before may be closed by the server just as a request goes out.
        connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            asyncio.TaskGroup() as background,
        ):
            client = WebhookClient(session, auth_token=self._auth_token, clock=self._clock)
            self._equipment = Equipment(
                account_sid=self.account_sid,
                auth_token=self._auth_token,
                client=client,
                callbacks=Callbacks(client, clock=self._clock, spawn=self._spawn),
                clock=self._clock,
                ticker=self.ticker,
                jitter=self._jitter,
                find_leg=self._find_leg,
                branch=self._branch,
                voice=self._voice,
            )
            ticking = background.create_task(self.ticker.run())
            self._group = background
            try:
                yield
            finally:
                await self._stop()
                ticking.cancel()

    async def _stop(self) -> None:
        for call in self.live():
            call.orders.end.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_GRACE_S)
        self._group = None
        for task in self._tasks:
            task.cancel()

    def place(self, request: CallRequest) -> CarrierCall:
        """
        Take a call in and let it dial in its turn.

        Raises:
            CarrierRefused: There are too many live calls, or the carrier is stopping.

        """
        if self._group is None:
            raise CarrierRefused("The carrier is not running", status=503, code=20503)
        call = self._admit(request, "outbound-api")
        self._spawn(self._guard(call, lambda: self._placed(call)))
        return call

    async def receive(self, request: CallRequest, leg: IncomingLeg) -> CarrierCall:
        """
        Run a call that a phone makes, until it is over.

        Raises:
            CarrierRefused: There are too many live calls.

        """
        call = self._admit(request, "inbound")
        equipment = self._running()
        await self._guard(call, lambda: run_incoming_call(call, leg, equipment))
        return call

    async def _branch(self, request: CallRequest, parent: CarrierCall, life: Life) -> None:
        """Run a call that another's ``<Dial>`` makes, until it is over; raises ``CarrierRefused`` if full."""
        call = self._admit(request, "outbound-dial", parent_sid=parent.sid)
        await self._guard(call, lambda: life(call))

    def live(self) -> list[CarrierCall]:
        """Every call that is not over, oldest first."""
        return [call for call in self._calls.values() if not call.over]

    def newest_first(self) -> Iterable[CarrierCall]:
        """Every call remembered."""
        return reversed(self._calls.values())

    def find(self, sid: str) -> CarrierCall:
        """Give one call. Raises ``CallUnknown``."""
        try:
            return self._calls[sid]
        except KeyError:
            raise CallUnknown(sid) from None

    def forget(self, sid: str) -> bool:
        """Forget a call; false, and nothing is done, while it is not over. Raises ``CallUnknown``."""
        if not self.find(sid).over:
            return False
        del self._calls[sid]
        return True

    def _admit(
        self, request: CallRequest, direction: Direction, *, parent_sid: str | None = None
    ) -> CarrierCall:
        while len(self._calls) >= self._max_calls:
            if not self._ended:
                raise CarrierRefused("Call concurrency limit exceeded", status=429, code=10004)
            self._calls.pop(self._ended.popleft(), None)
        call = CarrierCall(
            request,
            account_sid=self.account_sid,
            direction=direction,
            created=self._clock.utc(),
            parent_sid=parent_sid,
        )
        self._calls[call.sid] = call
        log.info(
            "call %s %s, from %s to %s",
            call.sid,
            direction,
            mask_number(request.from_),
            mask_number(without_headers(request.to)),
            extra={"call_sid": call.sid},
        )
        for code, note in request.notes:
            call.warn(code, note)
        return call

    async def _placed(self, call: CarrierCall) -> None:
        async def asked() -> int:
            await call.orders.end.wait()
            return 0

        name, call.queue_ms = await first_of(turn=self._turnstile.turn(), asked=asked())
        if name == "asked":
            # No callback: nothing has happened yet that one could tell of.
            call.move("canceled", self._clock.utc())
            return
        await run_placed_call(call, self._find_leg(call), self._running())

    async def _guard(self, call: CarrierCall, life: Callable[[], Awaitable[None]]) -> None:
        """Run one call's life so that its faults stay its own."""
        try:
            await life()
        except Exception:
            log.exception("call %s failed inside the carrier", call.sid, extra={"call_sid": call.sid})
        finally:
            finish(call, "failed" if call.answered is None else "completed", self._running())
            call.finished.set()
            self._ended.append(call.sid)
            how = f"after {call.duration_s or 0} s" if call.answered else f"with SIP status {call.sip_status}"
            log.info("call %s %s %s", call.sid, call.status, how, extra={"call_sid": call.sid})

    def _running(self) -> Equipment:
        if self._equipment is None:
            raise RuntimeError("the exchange is not running")
        return self._equipment

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        if self._group is None:  # stopped: nobody waits for this any more
            work.close()
            return
        task = self._group.create_task(sheltered(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
