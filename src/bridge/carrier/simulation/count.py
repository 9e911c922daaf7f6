"""Asks the server what it counted of each call, to hold it against what was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.simulation.report import ServerCount
from bridge.clock import Clock

_TRIES: Final = 10
_BETWEEN_S: Final = 0.2
_TIMEOUT_S: Final = 5.0


class ServerCounts:
    """
    ``GET /calls/{sid}`` after each call.

    Args:
        server_url: Base URL of the server.
        api_key: Bearer key; ``None`` asks without one, which a server on this machine allows.
        clock: For the waits: the server may hear of a stream's end a moment after the caller.

    Attributes:
        why_not: Why the latest count that could not be had was not to be had; ``None`` if all were.

    """

    def __init__(self, server_url: str, *, api_key: str | None, clock: Clock) -> None:
        self.why_not: str | None = None
        self._server_url = server_url.rstrip("/")
        self._api_key = api_key
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep a connection pool while this is open."""
        headers = {} if self._api_key is None else {"Authorization": f"Bearer {self._api_key}"}
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
            self._session = session
            yield

    async def of(self, call: CarrierCall) -> ServerCount | None:
        """Give the server's count, once it agrees or has had two seconds to; ``None`` if it gives none."""
        sent = sum(stream.sent_frames for stream in call.streams)
        count: ServerCount | None = None
        for _ in range(_TRIES):
            count = await self._ask(call.sid)
            if count is None or count.frames >= sent:
                return count
            await self._clock.sleep_until_s(self._clock.now_s() + _BETWEEN_S)
        return count

    async def _ask(self, sid: str) -> ServerCount | None:
        if self._session is None:
            raise RuntimeError("the counts are not running")
        try:
            async with self._session.get(f"{self._server_url}/calls/{sid}") as response:
                if response.status != 200:
                    self.why_not = f"GET /calls/{{sid}} answered HTTP {response.status}"
                    return None
                return read_count(await response.json())
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as fault:
            self.why_not = f"GET /calls/{{sid}} failed: {type(fault).__name__}"
            return None


def read_count(resource: dict[str, Any]) -> ServerCount:
    """Add up a call resource's streams. Raises ``KeyError`` or ``TypeError`` where it has another shape."""
    streams = [stream.get("counters", stream) for stream in resource["streams"]]
    return ServerCount(
        frames=sum(stream["frames"] for stream in streams),
        gaps=sum(stream["gaps"] for stream in streams),
        filled_ms=sum(stream["filled_ms"] for stream in streams),
    )
