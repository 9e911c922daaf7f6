"""Placing a call from a checked request to a record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from bridge.calls.placing import PlaceCall, create_arguments, read_place_call
from bridge.calls.record import CallRecord
from bridge.calls.store import CallStore
from bridge.clock import Clock
from bridge.errors import ConfigurationError, InvalidField
from bridge.masking import mask_number
from bridge.twilio.rest import Carrier
from bridge.twilio.twiml import MAX_INLINE_CHARACTERS, connect_stream

log = logging.getLogger(__name__)

Mint = Callable[[PlaceCall], Mapping[str, str]]
"""Makes all ``<Parameter>``s of a call's stream: the one-shot token, the request's own, and whatever else."""


class Placer:
    """
    Places calls.

    Args:
        carrier: Twilio or the local carrier; ``None`` if no credentials are configured.
        store: Where the records go.
        mint: Makes the parameters of the stream, just before the carrier is asked.
        clock: For the records.
        default_from: From whom, where a request does not say.
        greeting: Said before the stream begins.
        known_sinks: The names a request's ``sinks`` may use; ``None`` lets any pass.

    """

    def __init__(
        self,
        *,
        carrier: Carrier | None,
        store: CallStore,
        mint: Mint,
        clock: Clock,
        default_from: str | None = None,
        greeting: str | None = None,
        known_sinks: Collection[str] | None = None,
    ) -> None:
        self._carrier: Final = carrier
        self._store: Final = store
        self._mint: Final = mint
        self._clock: Final = clock
        self._default_from: Final = default_from
        self._greeting: Final = greeting
        self._known_sinks: Final = known_sinks
        self._under_way: set[asyncio.Event] = set()

    async def place(self, fields: Mapping[str, object], *, base_url: str) -> CallRecord:
        """
        Check a request, place the call, keep its record.

        Args:
            fields: As decoded from JSON or a form.
            base_url: How the carrier reaches this server, ``http(s)://host[:port][/prefix]``.

        Raises:
            InvalidField: The request is impossible.
            ConfigurationError: There is no carrier to ask, or Twilio could not reach us.
            CarrierRefused, CarrierUnreachable: As ``Carrier.place``.

        """
        request = read_place_call(fields, default_from=self._default_from)
        self._check_sinks(request)
        for name, copy in (
            ("status_callback", request.status_copy),
            ("async_amd_status_callback", request.amd_copy),
        ):
            if copy is not None and copy.url.startswith(f"{base_url}/"):
                raise InvalidField(
                    name,
                    "it is an address of this very server, which hears of the call anyway.",
                    "Leave it out, and look at GET /calls/{sid}; or send an address of your own.",
                )
        carrier = self._usable_carrier(base_url)
        arguments = create_arguments(
            request,
            twiml=self._document(request, base_url) if request.url is None else None,
            status_callback=f"{base_url}/call-status",
            amd_callback=f"{base_url}/amd-status",
        )
        done = asyncio.Event()
        self._under_way.add(done)
        try:
            record = await self._keep(await carrier.place(arguments), request)
        finally:
            self._under_way.discard(done)
            done.set()
        log.info("placed a call to %s", mask_number(record.to), extra={"call_sid": record.sid})
        for hint in request.hints:
            log.warning("%s", mask_number(hint), extra={"call_sid": record.sid})
        return record

    async def settled(self) -> None:
        """
        Wait until every call that is being placed now has its record, ten seconds at most.

        A call's first callback may arrive before the answer that tells us its SID. Whoever hears of an
        unknown call waits for this and looks again.
        """
        for done in tuple(self._under_way):
            await done.wait()

    def _usable_carrier(self, base_url: str) -> Carrier:
        if self._carrier is None:
            raise ConfigurationError(
                "No calls can be placed: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or use `bridge up`."
            )
        if self._carrier.is_twilio and not base_url.startswith("https://"):
            raise ConfigurationError(
                "Twilio cannot reach this server: set BRIDGE_PUBLIC_URL to its public https address."
            )
        return self._carrier

    def _check_sinks(self, request: PlaceCall) -> None:
        if self._known_sinks is None:
            return
        for name in request.sinks or ():
            if name not in self._known_sinks:
                known = ", ".join(sorted(self._known_sinks)) or "none"
                raise InvalidField("sinks", f"there is no sink {name}.", f"This server has: {known}.")

    def _document(self, request: PlaceCall, base_url: str) -> str:
        document = connect_stream(
            url=f"ws{base_url.removeprefix('http')}/media-stream",
            parameters=self._mint(request),
            greeting=self._greeting,
            action=f"{base_url}/stream-ended",
            status_callback=f"{base_url}/stream-status",
        )
        if len(document) > MAX_INLINE_CHARACTERS:
            over = len(document) - MAX_INLINE_CHARACTERS
            raise InvalidField(
                "parameters",
                f"together they make Twilio's document {over} characters too long.",
                "Send fewer or shorter ones, e.g. one reference to data of your own.",
            )
        return document

    async def _keep(self, sid: str, request: PlaceCall) -> CallRecord:
        """Enter the call, or complete what its socket or a callback has entered before us."""
        record = await self._store.add(
            CallRecord(sid, "placed", request.from_, request.to.address, self._clock.utc())
        )
        record.direction, record.from_, record.to = "placed", request.from_, request.to.address
        record.parameters, record.sinks, record.hints = request.parameters, request.sinks, request.hints
        record.status_copy, record.amd_copy = request.status_copy, request.amd_copy
        await self._store.save(record)
        return record
