"""The Contact header of a REGISTER, and when two URIs are the same (RFC 3261 sections 20.10 and 19.1.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

MAX_CHARACTERS: Final = 8192
"""Of all Contact values of a request together."""
MAX_URI_CHARACTERS: Final = 512

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_CONTACT: Final = re.compile(
    rf'(?:(?:{_QUOTED}\s*|[^"<>,;]*)<(?P<uri>[^<>"\s]+)>|(?P<bare>[^\s<>",;?]+))'
    rf'(?P<parameters>(?:\s*;\s*[^\s;,="<>]+(?:\s*=\s*(?:{_QUOTED}|[^\s;,"]+))?)*)\s*(?:,\s*|$)'
)
_PARAMETER: Final = re.compile(rf';\s*([^\s;,="<>]+)(?:\s*=\s*({_QUOTED}|[^\s;,"]+))?')
_URI: Final = re.compile(
    r"(?P<scheme>sips?):(?:(?P<user>[^@\x00-\x20\x7f]+)@)?(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>\d{1,5}))?"
    r"(?P<parameters>(?:;[^;?@\x00-\x20\x7f]+)*)(?:\?[!-?A-~]*)?",
    re.IGNORECASE | re.ASCII,
)
_NEVER_LEFT_OUT: Final = ("user", "ttl", "method", "maddr", "transport")
"""URI parameters that must be in both URIs or in neither."""


@dataclass(frozen=True, slots=True)
class Contact:
    """
    One address of a Contact header.

    Attributes:
        uri: As it was written, without the angle brackets.
        expires: Its own ``expires`` parameter as it was written, or ``None``.
        q: Preference, 0 to 1.
        instance: ``+sip.instance`` with ``reg-id`` (RFC 5626), or empty.

    """

    uri: str
    expires: str | None = None
    q: float = 1.0
    instance: str = ""


def read_contacts(values: Sequence[str]) -> list[Contact]:
    """
    Read all Contact values of a request; not for ``*``.

    Raises:
        ValueError: Malformed, too long, or not a ``sip:`` or ``sips:`` URI; says which.

    """
    if sum(map(len, values)) > MAX_CHARACTERS:
        raise ValueError("too long")
    contacts = []
    for value in values:
        text, at = value.strip(), 0
        while at < len(text) or not text:
            found = _CONTACT.match(text, at)
            if found is None:
                raise ValueError("malformed")
            contacts.append(_contact(found))
            at = found.end()
    return contacts


def _contact(found: re.Match[str]) -> Contact:
    uri = found["uri"] or found["bare"]
    if len(uri) > MAX_URI_CHARACTERS:
        raise ValueError("too long")
    if not _URI.fullmatch(uri):
        raise ValueError("not a SIP URI")
    parameters = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(found["parameters"])}
    instance = parameters.get("+sip.instance", "")
    if instance:
        instance = f"{instance};{parameters.get('reg-id', '')}"
    return Contact(uri, parameters.get("expires"), _read_q(parameters.get("q", "1")), instance)


def _read_q(text: str) -> float:
    return min(1.0, float(text)) if re.fullmatch(r"[01](?:\.\d{0,3})?", text, re.ASCII) else 1.0


def is_same_uri(one: str, other: str) -> bool:
    """
    Whether two URIs name the same resource.

    A port or a transport that is left out is not the same as its default: the name might resolve to another.
    """
    first, second = _URI.fullmatch(one), _URI.fullmatch(other)
    if first is None or second is None:
        return False
    return _fixed(first) == _fixed(second) and _fit(_parameters(first), _parameters(second))


def _fixed(uri: re.Match[str]) -> tuple[str, str, str, int]:
    """Give what must be equal: the user letter for letter, the rest in any case."""
    return uri["scheme"].lower(), unquote(uri["user"] or ""), uri["host"].lower(), int(uri["port"] or 0)


def _parameters(uri: re.Match[str]) -> dict[str, str]:
    pairs = (part.partition("=") for part in uri["parameters"].split(";")[1:])
    return {unquote(name).lower(): unquote(value).lower() for name, _, value in pairs}


def _fit(one: dict[str, str], other: dict[str, str]) -> bool:
    if any(one.get(name) != other.get(name) for name in _NEVER_LEFT_OUT):
        return False
    return all(other[name] == value for name, value in one.items() if name in other)
