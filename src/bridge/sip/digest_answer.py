"""The client's half of digest authentication: pick a challenge, answer it (RFC 7616)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import DigestUnsupported
from bridge.sip.digest_value import (
    HASHES,
    digest_response,
    ha1,
    read_digest,
    spell_digest,
    split_algorithm,
)

_PROTECTIONS: Final = ("auth", "auth-int")
"""What we can do, preferred first: proxies that touch the body on its way break ``auth-int``."""


def best_challenge(values: Sequence[str]) -> str | None:
    """
    Choose what to answer of the challenges of one response (RFC 7616 section 3.7).

    Args:
        values: All ``WWW-Authenticate`` (or all ``Proxy-Authenticate``) values, one challenge each.

    Returns:
        SHA-256 rather than MD5, and the first among equals; ``None`` if none can be answered.

    """
    best: tuple[int, str] | None = None
    for value in values:
        try:
            directives = _challenge(value)
        except DigestUnsupported:
            continue
        name, _ = split_algorithm(directives.get("algorithm", "MD5"))
        rank = list(HASHES.values()).index(name)
        if best is None or rank < best[0]:
            best = rank, value
    return None if best is None else best[1]


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    Name and password for whoever challenges us.

    Attributes:
        username: As the other side knows it.
        password: In clear, because the realm is not known before the challenge; never shown.

    """

    username: str
    password: str = field(repr=False)

    def answer(
        self,
        challenge_header: str,
        *,
        method: str,
        uri: str,
        body: bytes = b"",
        count: int = 1,
        cnonce: str | None = None,
    ) -> str:
        """
        Give the value of ``Authorization`` (or ``Proxy-Authorization``).

        Args:
            challenge_header: The challenge, e.g. from ``best_challenge``.
            method: Of the request that is repeated.
            uri: Its Request-URI, letter for letter.
            body: Its body, for ``auth-int``.
            count: How often this nonce is used with this request, from 1.
            cnonce: Ours; a random one by default. With ``-sess`` and a count beyond 1, the first one again:
                the session's key was made with it (RFC 7616 section 3.4.2).

        Raises:
            DigestUnsupported: Not a digest challenge, or one that asks for what is not known here.

        """
        challenge = _challenge(challenge_header)
        qop = _protection(challenge)
        answer = [("username", self.username), ("realm", challenge["realm"]), ("nonce", challenge["nonce"])]
        answer.append(("uri", uri))
        algorithm = challenge.get("algorithm", "MD5")
        if "algorithm" in challenge:
            answer.append(("algorithm", algorithm))
        cnonce = cnonce or secrets.token_hex(16)
        if qop:
            answer += [("qop", qop), ("nc", f"{count:08x}"), ("cnonce", cnonce)]
        elif split_algorithm(algorithm)[1]:
            answer.append(("cnonce", cnonce))  # RFC 2617 forgot that A1 needs it even so
        login = ha1(self.username, challenge["realm"], self.password, algorithm)
        answer.append(("response", digest_response(login, dict(answer), method=method, body=body)))
        if "opaque" in challenge:
            answer.append(("opaque", challenge["opaque"]))
        return spell_digest(answer, bare=("qop",))


def _challenge(value: str) -> dict[str, str]:
    """Read a challenge that we can answer. Raises ``DigestUnsupported`` for any other."""
    challenge = read_digest(value)
    if challenge is None:
        raise DigestUnsupported("the challenge is not a Digest challenge")
    for name in ("realm", "nonce"):
        if name not in challenge:
            raise DigestUnsupported(f"the challenge lacks {name}")
    split_algorithm(challenge.get("algorithm", "MD5"))
    _protection(challenge)
    return challenge


def _protection(challenge: dict[str, str]) -> str:
    """Choose the ``qop``; empty where none is offered, as before RFC 2617."""
    offered = [word.lower() for word in re.split(r"[\s,]+", challenge.get("qop", "")) if word]
    if not offered:
        return ""
    for known in _PROTECTIONS:
        if known in offered:
            return known
    raise DigestUnsupported(f"the protection {challenge['qop'][:40]!r} is not known here")
