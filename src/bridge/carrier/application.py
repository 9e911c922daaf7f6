"""The local carrier as one web application: its Calls API, and the exchange behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from bridge.carrier.api.create import OWNED_NUMBERS
from bridge.carrier.api.routes import add_error_shape, calls_router
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.phone import speech
from bridge.carrier.phone.route import Routes
from bridge.clock import Clock, SystemClock


def create_carrier(
    account_sid: str,
    auth_token: str,
    *,
    clock: Clock | None = None,
    recordings_dir: Path | None = None,
    spoken: bytes | None = None,
    numbers: Collection[str] = (),
    calls_per_second: float | None = None,
    routes: Routes | None = None,
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
        calls_per_second: How many placed calls leave a second; ``None`` for no limit (Twilio: 1).
        routes: Another numbering plan; the three arguments about phones are then not used.

    """
    clock = clock or SystemClock()
    if routes is None:
        routes = Routes(speech.demo() if spoken is None else spoken, clock, recordings_dir)
    exchange = Exchange(
        account_sid, auth_token, clock=clock, find_leg=routes.find_leg, calls_per_second=calls_per_second
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with exchange.running():
            yield

    app = FastAPI(title="Local carrier", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.exchange = exchange
    app.include_router(calls_router(exchange, auth_token, OWNED_NUMBERS | frozenset(numbers)))
    add_error_shape(app)

    @app.get("/healthz")
    async def healthz() -> dict[str, str | int]:
        return {"status": "ok", "live_calls": len(exchange.live())}

    return app
