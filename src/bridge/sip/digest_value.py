"""
Digest authentication as text and arithmetic: RFC 7616, with RFC 2617 and RFC 3261 section 22 for older peers.

The typed headers of the SIP library are not used here: they take the comma in ``qop="auth,auth-int"`` for the
end of the directive.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from bridge.errors import DigestUnsupported

HASHES: Final = {"sha-256": "sha256", "md5": "md5"}
"""What is known, best first; each also with ``-sess``."""

MAX_CHARACTERS: Final = 4096
"""Of a whole header value; real ones have 200 to 600."""

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SCHEME: Final = re.compile(rf"\s*({_WORD})(?:\s+|$)")
_DIRECTIVE: Final = re.compile(
    rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,[\s,]*|$)', re.DOTALL
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
"""Nothing of this kind is text; lone surrogates are what is left of bytes that were no UTF-8."""
_BARE: Final = frozenset({"algorithm", "nc", "stale"})
"""What RFC 7616 and RFC 3261 section 25.1 write without quotes; ``qop`` is bare in an answer only."""


def read_digest(value: str) -> dict[str, str] | None:
    """
    Read a ``WWW-Authenticate`` or ``Authorization`` value (RFC 7616 sections 3.3 and 3.4).

    Returns:
        The directives, names in lower case, values without their quotes; ``None`` for another scheme.

    Raises:
        DigestUnsupported: Too long, malformed, or a directive is repeated.

    """
    if len(value) > MAX_CHARACTERS or _CONTROL.search(value):
        raise DigestUnsupported("the digest header is too long or holds control characters")
    value = value.strip()
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[1].lower() != "digest":
        return None
    directives: dict[str, str] = {}
    at = scheme.end()
    while at < len(value):
        found = _DIRECTIVE.match(value, at)
        if found is None:
            raise DigestUnsupported("the digest header is malformed")
        name = found[1].lower()
        if name in directives:
            raise DigestUnsupported("the digest header repeats a directive")
        directives[name] = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        at = found.end()
    return directives


def spell_digest(directives: Iterable[tuple[str, str]], *, bare: Iterable[str] = ()) -> str:
    """Write a value; ``bare`` names further directives that go without quotes."""
    unquoted = {*_BARE, *bare}
    return "Digest " + ", ".join(
        f"{name}={text}" if name in unquoted else f"{name}={_quoted(text)}" for name, text in directives
    )


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def split_algorithm(algorithm: str) -> tuple[str, bool]:
    """
    Give the hash and whether it is the ``-sess`` variant. Raises ``DigestUnsupported`` for an unknown one.

    Case does not matter: RFC 2617's own grammar and its text disagree on it.
    """
    name = algorithm.lower()
    is_session = name.endswith("-sess")
    try:
        return HASHES[name.removesuffix("-sess")], is_session
    except KeyError:
        raise DigestUnsupported(f"the digest algorithm {algorithm[:40]!r} is not known here") from None


def ha1(user: str, realm: str, password: str, algorithm: str = "MD5") -> str:
    """
    Hash a login for storage: ``H(user:realm:password)`` (RFC 7616 section 3.4.2).

    It stands for the password within its realm: whoever has it can log in, so it is as secret.

    Returns:
        Lower-case hexadecimal digits.

    Raises:
        DigestUnsupported: An unknown algorithm.

    """
    return _hash(split_algorithm(algorithm)[0], f"{user}:{realm}:{password}".encode())


def digest_response(
    login: str,
    directives: Mapping[str, str],
    *,
    method: str,
    body: bytes = b"",
) -> str:
    """
    Compute the ``response`` directive (RFC 7616 section 3.4.1; RFC 2617 section 3.2.2.1 without ``qop``).

    Args:
        login: The HA1, by the hash of ``algorithm`` without ``-sess``.
        directives: ``nonce`` and ``uri``; ``algorithm`` if not MD5; with ``qop``, also ``nc`` and ``cnonce``.
        method: Of the request.
        body: Of the request; hashed for ``qop=auth-int`` only.

    Raises:
        DigestUnsupported: An unknown algorithm, or a directive is missing.

    """
    name, is_session = split_algorithm(directives.get("algorithm", "MD5"))
    qop = directives.get("qop", "").lower()
    try:
        if is_session:
            login = _hash(name, f"{login}:{directives['nonce']}:{directives['cnonce']}".encode())
        what = f"{method}:{directives['uri']}"
        if qop == "auth-int":
            what += f":{_hash(name, body)}"
        middle = f"{directives['nc']}:{directives['cnonce']}:{directives['qop']}:" if qop else ""
        secret = f"{login}:{directives['nonce']}:{middle}{_hash(name, what.encode())}"
    except KeyError as missing:
        raise DigestUnsupported(f"the digest header lacks {missing.args[0]}") from None
    return _hash(name, secret.encode())


def _hash(name: str, data: bytes) -> str:
    # MD5 is what phones speak; the hash proves a password here and signs nothing.
    return hashlib.new(name, data, usedforsecurity=False).hexdigest()
