"""Nonces that carry their own proof, and how often each was used (RFC 7616 sections 3.3 and 5.4)."""

from __future__ import annotations

import hmac
import re
import secrets
from hashlib import sha256
from typing import Final

_FORM: Final = re.compile(r"[0-9a-f]{56}")
_TIME_DIGITS: Final = 12
_SIGNED_DIGITS: Final = 24


class Nonces:
    """
    Issues nonces and knows its own again.

    A nonce is its time of issue (48 bits of milliseconds), 48 random bits, and a signature of both and of
    whom it was for: unused ones need no memory, so asking for many costs us nothing. Only a login that
    succeeded is remembered.

    Args:
        ttl_s: How long a nonce is good for.
        most: Used nonces remembered. Beyond it the older half is forgotten, and with it every nonce issued
            before: their owners are challenged once more, and nothing can be replayed.

    """

    def __init__(self, *, ttl_s: float, most: int) -> None:
        self._ttl_ms: Final = round(ttl_s * 1000)
        self._most: Final = most
        self._key: Final = secrets.token_bytes(32)
        self._used: dict[str, int] = {}
        self._floor_ms = -1

    def issue(self, now_s: float, whom: str) -> str:
        """Make a nonce for this peer."""
        signed = f"{_ms(now_s):012x}{secrets.token_hex(6)}"
        return signed + self._sign(signed, whom)

    def is_fresh(self, nonce: str, now_s: float, whom: str) -> bool:
        """Whether the nonce is ours, for this peer, and neither too old nor forgotten."""
        if not _FORM.fullmatch(nonce):
            return False
        signed, signature = nonce[:_SIGNED_DIGITS], nonce[_SIGNED_DIGITS:]
        if not hmac.compare_digest(signature, self._sign(signed, whom)):
            return False
        if _ms(now_s) - _issued_ms(nonce) > self._ttl_ms:
            return False
        return nonce in self._used or _issued_ms(nonce) > self._floor_ms

    def use(self, nonce: str, count: int, now_s: float) -> bool:
        """
        Count one use of a fresh nonce.

        Returns:
            False where this count, or a higher one, was used already: it is a replay.

        """
        if self._used.get(nonce, 0) >= count:
            return False
        if nonce not in self._used and len(self._used) >= self._most:
            self._make_room(now_s)
        self._used[nonce] = count
        return True

    def _make_room(self, now_s: float) -> None:
        oldest_ms = _ms(now_s) - self._ttl_ms
        self._used = {nonce: count for nonce, count in self._used.items() if _issued_ms(nonce) >= oldest_ms}
        if len(self._used) < self._most:
            return
        for nonce in sorted(self._used, key=_issued_ms)[: (self._most + 1) // 2]:
            del self._used[nonce]
            self._floor_ms = max(self._floor_ms, _issued_ms(nonce))

    def _sign(self, signed: str, whom: str) -> str:
        return hmac.digest(self._key, f"{signed}:{whom}".encode(), sha256)[:16].hex()


def _ms(now_s: float) -> int:
    return round(now_s * 1000)


def _issued_ms(nonce: str) -> int:
    return int(nonce[:_TIME_DIGITS], 16)
