"""
One-shot stream tokens: proof that a media socket belongs to a call whose TwiML we wrote.

Twilio's sockets carry no cookies, no basic auth and no query (facts of the handshake); what our TwiML puts
into ``<Parameter>`` comes back in ``start``: https://www.twilio.com/docs/voice/twiml/stream. A token is an
HMAC over its expiry and a nonce, so it is still good after a restart; each nonce is taken once.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from bridge.clock import Clock

TOKEN_PARAMETER: Final = "bridge_token"  # noqa: S105  (the parameter's name, not a secret)
_MAX_USED: Final = 100_000
_MAX_PROMISES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Promise:
    """What was decided about a call before its stream arrived; ``sinks`` replaces the configured ones."""

    sinks: tuple[str, ...] | None = None


class TokenOffice:
    """
    Mints and takes tokens.

    Args:
        secret: Key of the HMAC; the same after a restart if it comes from the settings. ``None`` makes
            one up, and tokens then die with the process.
        ttl_s: How long a token is good for: longer than queue, ringing and greeting together.

    """

    def __init__(self, secret: str | None, *, ttl_s: int, clock: Clock) -> None:
        own = secret.encode() if secret else secrets.token_bytes(32)
        self._key: Final = hmac.digest(own, b"bridge stream token", "sha256")
        self._ttl_s: Final = ttl_s
        self._clock: Final = clock
        self._used: OrderedDict[str, int] = OrderedDict()
        self._promises: OrderedDict[str, Promise] = OrderedDict()

    def mint(self, promise: Promise | None = None) -> str:
        """Make a token, about 70 characters; what is promised stays here until it is taken."""
        expires_s = self._now_s() + self._ttl_s
        nonce = secrets.token_urlsafe(12)
        if promise is not None and promise.sinks is not None:
            self._promises[nonce] = promise
            if len(self._promises) > _MAX_PROMISES:
                self._promises.popitem(last=False)
        return f"{expires_s}.{nonce}.{self._sign(expires_s, nonce)}"

    def take(self, token: str) -> Promise | None:
        """Use a token up: what was promised for it, or ``None`` if it is forged, expired or used."""
        expires, _, rest = token.partition(".")
        nonce, _, signature = rest.partition(".")
        if not (expires.isascii() and expires.isdigit() and len(expires) < 12 and signature.isascii()):
            return None
        if not hmac.compare_digest(self._sign(int(expires), nonce), signature):
            return None
        now_s = self._now_s()
        if int(expires) < now_s or nonce in self._used:
            return None
        self._forget(now_s)
        self._used[nonce] = int(expires)
        return self._promises.pop(nonce, Promise())

    def _forget(self, now_s: int) -> None:
        """Expired nonces need no memory; beyond the bound the oldest goes, and could be used again."""
        while self._used:
            nonce, expires_s = next(iter(self._used.items()))
            if expires_s >= now_s and len(self._used) < _MAX_USED:
                return
            del self._used[nonce]

    def _sign(self, expires_s: int, nonce: str) -> str:
        return hmac.new(self._key, f"{expires_s}.{nonce}".encode(), sha256).hexdigest()[:40]

    def _now_s(self) -> int:
        return int(self._clock.utc().timestamp())
