"""The server's half of digest authentication: challenge, and judge the answer (RFC 7616)."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from bridge.errors import DigestUnsupported
from bridge.sip.digest_nonce import Nonces
from bridge.sip.digest_value import digest_response, read_digest, spell_digest

MAX_USERNAME_CHARACTERS: Final = 255

_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")
_SIP_URI: Final = re.compile(r"sips?:(?:(?P<user>[^@]*)@)?", re.IGNORECASE)
_NEEDED: Final = ("username", "nonce", "uri", "response")


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What an ``Authorization`` proved.

    Attributes:
        result: ``ok``; ``missing``: no answer to our realm, so challenge; ``stale``: the nonce is not good
            (any more), so challenge with ``stale=True`` and hold nothing against the peer; ``wrong``: the
            password, or the answer's form, so count it in the ``Brake``.
        username: Who it claims to be; proved only with ``ok``.

    """

    result: Literal["ok", "missing", "stale", "wrong"]
    username: str | None


class Challenger:
    """
    Asks for a login and judges the answers.

    Whether a user exists cannot be told from the answer, nor from the time it takes.

    Args:
        realm: Shown to the user, and part of every stored HA1.
        nonce_ttl_s: How long a nonce is good for.
        most_nonces: Used ones remembered against replay; see ``Nonces`` for what happens beyond.

    """

    def __init__(self, realm: str, *, nonce_ttl_s: float = 300.0, most_nonces: int = 10_000) -> None:
        self.realm: Final = realm
        self._nonces: Final = Nonces(ttl_s=nonce_ttl_s, most=most_nonces)
        self._nobodys_login: Final = secrets.token_hex(16)

    def challenges(self, now_s: float, *, stale: bool = False, source: str = "") -> list[str]:
        """
        Give the ``WWW-Authenticate`` (or ``Proxy-Authenticate``) values, one per algorithm.

        Args:
            now_s: Monotonic seconds.
            stale: The peer answered a nonce that is no good any more; its password may well be right.
            source: The peer's address. Its answer counts from there only, so that a forged sender cannot
                spend another one's attempts.

        """
        directives = [("realm", self.realm), ("nonce", self._nonces.issue(now_s, source))]
        directives += [("algorithm", "MD5"), ("qop", "auth")]
        if stale:
            directives.append(("stale", "TRUE"))
        return [spell_digest(directives)]

    def own(self, values: Sequence[str]) -> str | None:
        """Find the answer to our realm among several (RFC 3261 section 22.3: each proxy has its own)."""
        for value in values:
            try:
                directives = read_digest(value)
            except DigestUnsupported:
                continue
            if directives is not None and directives.get("realm") == self.realm:
                return value
        return values[0] if values else None

    def judge(
        self,
        authorization: str | None,
        *,
        method: str,
        uri: str,
        now_s: float,
        ha1_of: Callable[[str], str | None],
        source: str = "",
    ) -> Verdict:
        """
        Judge an answer.

        Args:
            authorization: The header's value, or ``None``.
            method: Of the request.
            uri: Its Request-URI.
            now_s: Monotonic seconds.
            ha1_of: Gives a user's MD5 HA1, or ``None``; must take the same time for both.
            source: The peer's address, as given to ``challenges``.

        """
        try:
            answer = read_digest(authorization) if authorization is not None else None
        except DigestUnsupported:
            return Verdict("missing", None)
        if answer is None or answer.get("realm") != self.realm:
            return Verdict("missing", None)
        username = answer.get("username", "")[:MAX_USERNAME_CHARACTERS]
        if not self._nonces.is_fresh(answer.get("nonce", ""), now_s, source):
            # RFC 7616 section 3.3. Nothing is said about the password: nobody may try one without a nonce,
            # and nobody with a forged address gets one, so that only a phone itself can have it slowed.
            return Verdict("stale", username)
        if not _is_complete(answer):
            return Verdict("wrong", username)
        stored = ha1_of(username)
        login = self._nobodys_login if stored is None else stored.lower()
        expected = digest_response(login, answer, method=method)
        matches = hmac.compare_digest(expected.encode(), answer["response"].lower().encode())
        if not matches or stored is None or not _is_same_resource(answer["uri"], uri):
            return Verdict("wrong", username)
        count = int(answer["nc"], 16) if "qop" in answer else 1
        # A phone that counts wrongly, or not at all, gets a new nonce each time and works all the same.
        return Verdict("ok" if self._nonces.use(answer["nonce"], count, now_s) else "stale", username)


def _is_complete(answer: dict[str, str]) -> bool:
    """Whether everything is there and answers what was asked: MD5, with ``auth`` or, as of old, without."""
    if any(name not in answer for name in _NEEDED) or len(answer["username"]) > MAX_USERNAME_CHARACTERS:
        return False
    if answer.get("algorithm", "MD5").upper() != "MD5":
        return False
    if "qop" not in answer:
        return True
    return (
        answer["qop"].lower() == "auth"
        and bool(answer.get("cnonce"))
        and bool(_COUNT.fullmatch(answer.get("nc", "")))
    )


def _is_same_resource(claimed: str, uri: str) -> bool:
    """
    Compare the signed URI with the request's own (RFC 7616 section 3.4.6).

    Whom a request is for must be what was signed. Host, port and parameters may differ: proxies rewrite them
    (RFC 3261 section 22.4), and phones sign what they were configured with. sipp signs its server alone,
    which says nothing about whom; nonces that are good once each keep that from being sent again.
    """
    if claimed == uri:
        return True
    one, other = _SIP_URI.match(claimed), _SIP_URI.match(uri)
    return one is not None and other is not None and _user(one) in {_user(other), ""}


def _user(uri: re.Match[str]) -> str:
    return unquote((uri["user"] or "").partition(":")[0])
