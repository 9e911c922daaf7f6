"""The ``a=crypto`` line of a session description: keys for SRTP, sent along with the offer (RFC 4568)."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

KEY_BYTES: Final = 30
"""AES-128 master key and salt: 16 and 14 bytes (RFC 4568 section 6.2, table 1)."""

SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""The suites we know, the one we like better first: same cipher, longer tag."""

_LINE: Final = re.compile(r"(?P<tag>\d{1,9})\s+(?P<suite>\S+)\s+(?P<keys>\S+)(?P<parameters>(\s+\S+)*)\s*")
_LIFETIME: Final = re.compile(r"(2\^)?\d+")
_HARMLESS: Final = re.compile(r"WSH=\d+", re.IGNORECASE)
"""The only session parameter that changes nothing for us: a hint at the replay window's size."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """
    One way of encryption, with the key of the side that sends this line.

    Attributes:
        tag: Names the line, so that an answer can say which one it takes.
        suite: One of ``SUITES``.
        key: Master key and salt, ``KEY_BYTES`` bytes; never shown.

    """

    tag: int
    suite: str
    key: bytes = field(repr=False)

    @property
    def line(self) -> str:
        """The attribute as SDP has it, without the line's end. A secret: for the peer only."""
        return f"a=crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


def new_crypto(tag: int, suite: str = SUITES[0]) -> Crypto:
    """Make a fresh key for one of ``SUITES``. Raises ``ValueError`` for any other suite."""
    if suite not in SUITES:
        raise ValueError(f"{suite} is none of {', '.join(SUITES)}")
    return Crypto(tag, suite, secrets.token_bytes(KEY_BYTES))


def read_crypto(value: str) -> Crypto | None:
    """
    Read what stands after ``a=crypto:``.

    Returns:
        ``None`` for a line that we cannot or must not take: another suite, several keys or a key with an
        MKI (section 6.1), which our SRTP library does not write, or a session parameter that would change
        how packets look (section 6.3: unknown ones forbid taking the line).

    """
    found = _LINE.fullmatch(value)
    if found is None or found["suite"].upper() not in SUITES:
        return None
    if any(not _HARMLESS.fullmatch(parameter) for parameter in found["parameters"].split()):
        return None
    method, _, info = found["keys"].partition(":")
    if method.lower() != "inline" or ";" in info:
        return None
    encoded, *rest = info.split("|")
    if len(rest) > 1 or any(not _LIFETIME.fullmatch(part) for part in rest):
        return None
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return Crypto(int(found["tag"]), found["suite"].upper(), key) if len(key) == KEY_BYTES else None
