"""
The Calls API: place a call, end it, give it another document, ask how it stands.

Source: https://www.twilio.com/docs/voice/api/call-resource. The requests are the helper library's; time and
errors are ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from twilio.rest import Client  # type: ignore[import-untyped]

from bridge.calls.status import Status, is_status
from bridge.errors import CallUnknown, CarrierUnreachable, ConfigurationError
from bridge.mediastream.messages import is_sid
from bridge.twilio.transport import Transport, check_api_base

MAX_TIMEOUT_S: Final = 9.5
"""Whoever asked us is promised an answer within ten seconds."""

_MAX_DURATION_DIGITS: Final = 10

# The library reads the process environment where this is empty; which host is asked is our caller's decision.
_NO_ENVIRONMENT: Final = {"TWILIO_EDGE": "", "TWILIO_REGION": ""}


class Carrier(Protocol):
    """What the bridge asks of a carrier. Every operation ends within ten seconds."""

    @property
    def is_twilio(self) -> bool:
        """Whether this is Twilio itself, which reaches us only at a public https address."""
        ...

    async def place(self, arguments: Mapping[str, object]) -> str:
        """
        Place a call.

        Args:
            arguments: Keyword arguments of the helper library's ``client.calls.create``.

        Returns:
            The call's SID.

        Raises:
            CarrierRefused: It answered with an error.
            CarrierUnreachable: It did not answer in time, or not in JSON; it may have placed the call.

        """
        ...

    async def hang_up(self, call_sid: str) -> None:
        """End a call, whether it rings or talks; raises as ``place``, and CallUnknown for what is no SID."""
        ...

    async def redirect(self, call_sid: str, twiml: str) -> None:
        """Give a talking call another document, which ends its stream; raises as ``hang_up``."""
        ...


@dataclass(frozen=True, slots=True)
class CallState:
    """
    How a call stands, by its carrier.

    Attributes:
        status: The state it is in.
        duration_s: Length of the answered part in seconds; ``None`` while it is not over.

    """

    status: Status
    duration_s: int | None = None


class TwilioRest:
    """
    Twilio, or whatever speaks its API at another address.

    It may be built anywhere; the connections are made with the first request, inside the running loop.

    Args:
        account_sid: ``AC…``.
        auth_token: Its primary Auth Token.
        api_base: Replaces ``https://api.twilio.com``.
        timeout_s: For a whole operation, at most ``MAX_TIMEOUT_S``.

    Raises:
        ConfigurationError: A credential is empty, or the API base is no URL.

    """

    def __init__(
        self, account_sid: str, auth_token: str, *, api_base: str | None = None, timeout_s: float = 8.0
    ) -> None:
        if not account_sid or not auth_token:
            raise ConfigurationError(
                "Both TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are needed to place calls."
            )
        self._credentials: Final = (account_sid, auth_token)
        self._api_base: Final = check_api_base(api_base) if api_base else None
        self._timeout_s: Final = min(timeout_s, MAX_TIMEOUT_S)
        self._transport: Transport | None = None

    @property
    def is_twilio(self) -> bool:
        """Whether this is Twilio itself, which reaches us only at a public https address."""
        return self._api_base is None or (urlsplit(self._api_base).hostname or "").endswith(".twilio.com")

    async def place(self, arguments: Mapping[str, object]) -> str:
        async with self._client() as client:
            created = await client.calls.create_async(**arguments)
        sid: str = created.sid
        if not is_sid(sid, "CA"):
            raise CarrierUnreachable("The API took the call but gave it no call SID.")
        return sid

    async def hang_up(self, call_sid: str) -> None:
        async with self._client() as client:
            await client.calls(_checked(call_sid)).update_async(status="completed")

    async def redirect(self, call_sid: str, twiml: str) -> None:
        async with self._client() as client:
            await client.calls(_checked(call_sid)).update_async(twiml=twiml)

    async def state_of(self, call_sid: str) -> CallState:
        """Ask how a call stands; raises as ``hang_up``, CarrierRefused with 404 for a call nobody knows."""
        async with self._client() as client:
            call = await client.calls(_checked(call_sid)).fetch_async()
        status = call.status or ""
        if not is_status(status):
            raise CarrierUnreachable("The API answered with a call in no known state.")
        duration = call.duration or ""
        is_number = duration.isascii() and duration.isdigit() and len(duration) < _MAX_DURATION_DIGITS
        return CallState(status, int(duration) if is_number else None)

    async def close(self) -> None:
        """Close the connections; a later request makes new ones."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        """Lend a client for one operation, which must be over in time."""
        transport = self._transport or Transport(api_base=self._api_base, timeout_s=self._timeout_s)
        self._transport = transport
        client = Client(*self._credentials, http_client=transport, environment=_NO_ENVIRONMENT)
        try:
            # The request has a time-out of its own; this one also covers what lies around it.
            async with asyncio.timeout(self._timeout_s):
                yield client
        except TimeoutError as fault:
            raise CarrierUnreachable(
                f"{transport.host} did not answer within {self._timeout_s:g} s."
            ) from fault


def _checked(call_sid: str) -> str:
    """Keep anything but a SID out of the request's path."""
    if not is_sid(call_sid, "CA"):
        raise CallUnknown("That is no call SID: it must be CA and 32 hexadecimal digits.")
    return call_sid
