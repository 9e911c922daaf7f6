"""The local carrier as one web application: its Calls API, and the exchange behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI

from bridge.carrier.api.create import OWNED_NUMBERS
from bridge.carrier.api.phones import phones_router
from bridge.carrier.api.routes import add_error_shape, calls_router
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.phone import speech
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.route import Routes, phone_name
from bridge.carrier.phone.voice import Voice
from bridge.carrier.sip.roster import Roster
from bridge.clock import Clock, SystemClock


class SipPort(Protocol):
    """What the carrier needs of a SIP engine, whichever it is."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Listen while this is open. Raises ``OSError`` where a port is taken."""
        ...

    def find_phone(self, call: CarrierCall) -> Leg | None:
        """Give the leg to one of our own phones; ``None`` where the address is not one's."""
        ...

    def find_elsewhere(self, call: CarrierCall) -> Leg | None:
        """Give the leg to somebody else's phone; ``None`` where there is no way."""
        ...

    def roster(self) -> Roster:
        """Say who is registered, and which trunks are up."""
        ...


def find_leg(call: CarrierCall, routes: Routes, port: SipPort | None) -> Leg | None:
    """Look for a call's phone: a registered one, one made of files, or one elsewhere."""
    if port is not None:
        leg = port.find_phone(call)
        if leg is None and phone_name(call.request.to) is None:
            leg = port.find_elsewhere(call)
        if leg is not None:
            return leg
    return routes.find_leg(call)


@asynccontextmanager
async def _running(exchange: Exchange, port: SipPort | None) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        if port is not None:  # left last: calls end with a BYE
            await stack.enter_async_context(port.running())
        await stack.enter_async_context(exchange.running())
        yield


def create_carrier(
    account_sid: str,
    auth_token: str,
    *,
    clock: Clock | None = None,
    recordings_dir: Path | None = None,
    spoken: bytes | None = None,
    numbers: Collection[str] = (),
    trunk_sids: Collection[str] = (),
    calls_per_second: float | None = None,
    routes: Routes | None = None,
    voice: Voice | None = None,
    sip: Callable[[Exchange], SipPort] | None = None,
) -> FastAPI:
    """
    Build the carrier. Its exchange runs while the application does, and is at ``app.state.exchange``.

    Args:
        account_sid: ``AC…``; the one account there is.
        auth_token: Its token: the API's password and the key of every signature.
        clock: Time; the machine's by default.
        recordings_dir: Where the demo phone keeps what it hears; ``None`` for nowhere.
        spoken: What the demo phone says, μ-law at 8 kHz; by default the sample that ships with the package.
        numbers: Further numbers that calls to numbers may come from.
        trunk_sids: The ``BY…`` that ``Byoc`` may name.
        calls_per_second: How many placed calls leave a second; ``None`` for no limit (Twilio: 1).
        routes: Another numbering plan; the three arguments about phones are then not used.
        voice: Reads ``<Say>`` aloud; without one it is a tone.
        sip: Makes the SIP port that belongs to the exchange; without one there are no SIP phones.

    """
    clock = clock or SystemClock()
    if routes is None:
        routes = Routes(speech.demo() if spoken is None else spoken, clock, recordings_dir)
    exchange = Exchange(
        account_sid,
        auth_token,
        clock=clock,
        find_leg=lambda call: find_leg(call, routes, port),
        calls_per_second=calls_per_second,
        voice=voice,
    )

    port = None if sip is None else sip(exchange)
    app = FastAPI(lifespan=lambda _app: _running(exchange, port), openapi_url=None)
    app.state.exchange = exchange
    app.include_router(calls_router(exchange, auth_token, OWNED_NUMBERS | frozenset(numbers), trunk_sids))
    app.include_router(phones_router(Roster if port is None else port.roster, account_sid, auth_token))
    add_error_shape(app)

    @app.get("/healthz")
    async def healthz() -> dict[str, str | int]:
        return {"status": "ok", "live_calls": len(exchange.live())}

    return app
