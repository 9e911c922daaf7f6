"""
Copies of callbacks for whoever placed a call: Twilio reports to us, and we pass it on.

Twilio knows one status callback per call, and records need it. The copy holds Twilio's own fields; its
``SequenceNumber`` counts all four events, whichever of them were asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from yarl import URL

from bridge.calls.record import CallbackCopy, CallRecord
from bridge.calls.status import is_status
from bridge.twilio.callback import event_of
from bridge.twilio.signature import sign, url_candidates

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0
"""For each attempt."""

ATTEMPTS: Final = 2

MAX_AT_ONCE: Final = 100
"""Copies on their way at the same time; a copy beyond that is dropped and logged, a slow receiver's loss."""

Fate = Literal["unasked", "delivered", "failed", "dropped"]
Form = Sequence[tuple[str, str]]


class StatusCopier:
    """
    Posts copies. It may be built anywhere; connections are made with the first copy.

    Args:
        auth_token: Signs the copies as Twilio would, so that the receiver's validator accepts them; ``None``
            leaves them unsigned.
        timeout_s: For each attempt.

    """

    def __init__(self, auth_token: str | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._auth_token: Final = auth_token
        self._timeout_s: Final = timeout_s
        self._session: ClientSession | None = None
        self._on_their_way = 0

    async def copy_status(self, record: CallRecord, form: Form) -> Fate:
        """Copy a call's status callback, if this event of it was asked for. Never raises for the receiver."""
        copy, status = record.status_copy, dict(form).get("CallStatus", "")
        if copy is None or not is_status(status) or event_of(status) not in copy.events:
            return "unasked"
        return await self._deliver(copy, form)

    async def copy_detection(self, record: CallRecord, form: Form) -> Fate:
        """Copy the result of machine detection, if somebody asked for it. Never raises for the receiver."""
        return "unasked" if record.amd_copy is None else await self._deliver(record.amd_copy, form)

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _deliver(self, copy: CallbackCopy, form: Form) -> Fate:
        host = urlsplit(copy.url).hostname  # the whole URL may hold a secret
        if self._on_their_way >= MAX_AT_ONCE:
            log.warning("a callback's copy for %s is dropped: %d are on their way already", host, MAX_AT_ONCE)
            return "dropped"
        self._on_their_way += 1
        try:
            for attempt in range(1, ATTEMPTS + 1):
                fault = await self._attempt(copy, form)
                if fault is None:
                    return "delivered"
                log.warning("a callback's copy for %s failed (%d of %d): %s", host, attempt, ATTEMPTS, fault)
        finally:
            self._on_their_way -= 1
        return "failed"

    async def _attempt(self, copy: CallbackCopy, form: Form) -> str | None:
        """Send it once; give what went wrong, ``None`` if nothing did."""
        url, fields = copy.url.partition("#")[0], list(form)
        if urlsplit(url).scheme not in {"http", "https"}:
            return "it is no http or https URL"
        if copy.method == "GET":
            url, fields = f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}", []
        if self._session is None:
            # No cookies, because one receiver must not learn another's; no proxies and no .netrc either.
            self._session = ClientSession(cookie_jar=DummyCookieJar())
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(
                    copy.method,
                    URL(url, encoded=True),  # byte for byte what was signed
                    data=urlencode(fields) if fields else None,
                    headers=self._headers(copy.method, url, fields),
                    allow_redirects=False,  # who was named gets it, nobody whom they name in turn
                    timeout=ClientTimeout(total=self._timeout_s),
                ) as response,
            ):
                # The answer's body is of no interest and is not read.
                return None if response.status < 400 else f"it answered {response.status}"
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except (ClientError, OSError, ValueError) as fault:
            return f"{type(fault).__name__}: {fault}"

    def _headers(self, method: str, url: str, fields: Form) -> Mapping[str, str]:
        headers = {"User-Agent": "bridge"}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        if self._auth_token:
            headers["X-Twilio-Signature"] = sign(self._auth_token, url_candidates(url)[0], fields)
        return headers
