"""
Twilio's HTTP client: signed, patient for fifteen seconds, and precise about what went wrong.

Sources: https://www.twilio.com/docs/voice/twiml (requests and answers),
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides (time-outs, retries) and
https://www.twilio.com/docs/usage/webhooks/webhooks-security (signature). Headers are as captured from Twilio.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlencode, urljoin, urlsplit

import aiohttp
from yarl import URL

from bridge.carrier.call.request import HttpMethod
from bridge.carrier.webhook.answer import Failure, Reply, failure_of, read_reply, shown_url
from bridge.carrier.webhook.login import http_login
from bridge.carrier.webhook.override import HARD_LIMIT_MS, ConnectionOverrides, read_overrides
from bridge.clock import Clock
from bridge.twilio.signature import sign

MAX_REDIRECTS: Final = 10
USER_AGENT: Final = "TwilioProxy/1.1"

_BECOMES_GET: Final = frozenset({301, 302, 303})
_REDIRECTS: Final = _BECOMES_GET | {307, 308}

Warn = Callable[[int | None, str], None]
Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Hop:
    """One request on the way: where it goes and with what. The idempotency token stays the same on all."""

    url: str
    method: HttpMethod
    fields: Fields
    token: str

    def moved(self, status: int, location: str) -> _Hop:
        """
        Go where a redirect leads.

        As browsers do, only 307 and 308 carry a POST and its form on (RFC 9110 section 15.4).
        """
        url = urljoin(self.url, location).partition("#")[0]
        if self.method == "POST" and status not in _BECOMES_GET:
            return _Hop(url, "POST", self.fields, self.token)
        return _Hop(url, "GET", (), self.token)


@dataclass(frozen=True, slots=True)
class _Moved:
    status: int
    location: str


class WebhookClient:
    """
    Asks an application's URLs as Twilio does.

    Args:
        session: The connection pool; its owner closes it.
        auth_token: Signs every request; ``None`` leaves the signature out.
        clock: For the total time-out.

    """

    def __init__(self, session: aiohttp.ClientSession, *, auth_token: str | None, clock: Clock) -> None:
        self._session = session
        self._auth_token = auth_token
        self._clock = clock

    async def ask(self, url: str, method: HttpMethod, fields: Fields, *, warn: Warn) -> Reply | Failure:
        """
        Ask one URL, with its retries and redirects; never raises for what the network or the peer does.

        Args:
            url: Absolute; its fragment sets time-outs and retries, ``user:password@`` logs in.
            method: With GET the fields are appended to the query.
            fields: The form.
            warn: Told of overrides that cannot be used.

        """
        target, _, fragment = url.partition("#")
        overrides = read_overrides(fragment, lambda text: warn(None, f"{text} ({shown_url(target)})"))
        deadline_s = self._clock.now_s() + min(overrides.total_ms, HARD_LIMIT_MS) / 1000
        # One token for all attempts, so that a server can tell a retry from a new request.
        hop = _Hop(target, method, fields, secrets.token_hex(16))
        for attempt in range(1 + overrides.retries):
            answer = await self._attempt(hop, overrides, deadline_s - self._clock.now_s())
            if isinstance(answer, Reply) or not overrides.retries_on(answer.policy):
                return answer
            if attempt == overrides.retries or self._clock.now_s() >= deadline_s:
                return answer
        raise AssertionError("the last attempt returns")

    async def fetch(self, url: str) -> Reply | Failure:
        """Fetch a media file: no fields, no signature (https://www.twilio.com/docs/voice/twiml/play)."""
        hop = _Hop(url.partition("#")[0], "GET", (), secrets.token_hex(16))
        return await self._attempt(hop, ConnectionOverrides(), HARD_LIMIT_MS / 1000, signed=False)

    async def _attempt(
        self, hop: _Hop, overrides: ConnectionOverrides, left_s: float, *, signed: bool = True
    ) -> Reply | Failure:
        limits = aiohttp.ClientTimeout(
            sock_connect=overrides.connect_ms / 1000, sock_read=overrides.read_ms / 1000
        )
        first = without_login(hop.url)
        try:
            async with asyncio.timeout(left_s):
                for _ in range(1 + MAX_REDIRECTS):
                    answer = await self._request(hop, limits, signed=signed)
                    if not isinstance(answer, _Moved):
                        return answer
                    hop = hop.moved(answer.status, answer.location)
                return Failure(11215, f"more than {MAX_REDIRECTS} redirects", first)
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            return failure_of(fault, first)

    async def _request(
        self, hop: _Hop, limits: aiohttp.ClientTimeout, *, signed: bool
    ) -> Reply | Failure | _Moved:
        url = without_login(hop.url)
        if hop.method == "GET" and hop.fields:
            url += ("&" if "?" in url else "?") + urlencode(hop.fields)
        body = hop.fields if hop.method == "POST" else ()
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": "*/*",
            "X-Home-Region": "us1",
            "I-Twilio-Idempotency-Token": hop.token,
        }
        if signed and self._auth_token is not None:
            headers["X-Twilio-Signature"] = sign(self._auth_token, signable_url(url), body)
        if hop.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        login = _login_of(hop.url)
        async with self._session.request(
            hop.method,
            URL(url, encoded=True),  # byte for byte: the signature covers the query as it stands
            data=urlencode(body).encode() if hop.method == "POST" else None,
            headers=headers,
            timeout=limits,
            allow_redirects=False,
            skip_auto_headers=("Accept-Encoding",),
            middlewares=() if login is None else (http_login(*login),),
        ) as response:
            location = response.headers.get("Location")
            if location is not None and response.status in _REDIRECTS:
                return _Moved(response.status, location)
            return await read_reply(response, url)


def signable_url(url: str) -> str:
    """
    What of a URL Twilio signs.

    ``user:password@`` and the fragment never; the port not with TLS, but without TLS it stays
    (https://www.twilio.com/docs/usage/security#notes).
    """
    url = without_login(url.partition("#")[0])
    scheme, separator, rest = url.partition("://")
    if scheme.lower() not in {"https", "wss"}:
        return url
    end = min((at for at in map(rest.find, "/?") if at >= 0), default=len(rest))
    host, colon, port = rest[:end].rpartition(":")
    authority = host if colon and port.isdigit() else rest[:end]
    return f"{scheme}{separator}{authority}{rest[end:]}"


def without_login(url: str) -> str:
    """Leave out ``user:password@``; the rest stays byte for byte."""
    scheme, separator, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    return f"{scheme}{separator}{rest[:end].rpartition('@')[2]}{rest[end:]}"


def _login_of(url: str) -> tuple[str, str] | None:
    parts = urlsplit(url)
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")
