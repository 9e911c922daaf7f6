"""
One field of a request at a time: from what JSON or a form holds to what it means.

Each reader takes the field's name and its value and returns the value as it is used, or raises
``InvalidField``. A form has only text, so every reader also takes its value's obvious spelling as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from bridge.errors import InvalidField

Reader = Callable[[str, object], object]

RESERVED_PREFIX: Final = "bridge_"
"""Parameters with this prefix travel beside the caller's own ones and are the bridge's."""

_MAX_URL_CHARACTERS: Final = 4000
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+|[0-9A-Fa-f:.]+")  # the second: IPv6, without its brackets


_NOT_TEXT: Final = {
    bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object",
}  # fmt: skip


def _check_text(field: str, value: object) -> str:
    if isinstance(value, str):
        return value
    what = _NOT_TEXT.get(type(value), "null")
    raise InvalidField(field, f"it is {what}, not text.", "Send it as text, in quotes.")


def text(longest: int) -> Callable[[str, object], str]:
    """Make a reader of printable text of 1 to ``longest`` characters."""

    def read(field: str, value: object) -> str:
        value = _check_text(field, value)
        if not 1 <= len(value) <= longest or not value.isprintable():
            raise InvalidField(
                field, "it is no printable text of the right length.", f"Send 1 to {longest} characters."
            )
        return value

    return read


def pattern(expression: str, fix: str) -> Callable[[str, object], str]:
    """Make a reader of text that a regular expression matches as a whole."""
    compiled = re.compile(expression, re.ASCII)

    def read(field: str, value: object) -> str:
        if not compiled.fullmatch(value := _check_text(field, value)):
            raise InvalidField(field, "it is not of the form needed.", fix)
        return value

    return read


def whole(least: int, most: int, unit: str) -> Callable[[str, object], int]:
    """Make a reader of a whole number in a range; ``unit`` is for the error."""

    def read(field: str, value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InvalidField(
                field,
                "it is no whole number in range.",
                f"Send {least} to {most}, in {unit}, without a fraction.",
            )
        return value

    return read


def flag(field: str, value: object) -> bool:
    """Read true or false."""
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise InvalidField(field, "it is neither true nor false.", "Send true or false.")
    return value


def choice(*choices: str) -> Callable[[str, object], str]:
    """Make a reader of one of several words; capitals do not matter, the word comes back as written here."""
    known = {word.lower(): word for word in choices}

    def read(field: str, value: object) -> str:
        if not isinstance(value, str) or value.lower() not in known:
            raise InvalidField(field, "it is none of the words allowed.", f"Send {' or '.join(choices)}.")
        return known[value.lower()]

    return read


def words(*choices: str) -> Callable[[str, object], list[str]]:
    """Make a reader of some of several words: a list, or text with commas or spaces between them."""
    one = choice(*choices)

    def read(field: str, value: object) -> list[str]:
        parts = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
        if not isinstance(parts, list) or not parts:
            raise InvalidField(field, "it is no list of words.", f"Send some of {', '.join(choices)}.")
        return list(dict.fromkeys(one(field, part) for part in parts))

    return read


def url(field: str, value: object) -> str:
    """Read an absolute http or https URL that Twilio would take."""
    fix = "Send an absolute URL, e.g. https://example.com/path, other characters percent-encoded."
    if not isinstance(value, str) or len(value) > _MAX_URL_CHARACTERS or not re.fullmatch(r"[!-~]+", value):
        raise InvalidField(field, "it is no URL.", fix)
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as fault:
        raise InvalidField(field, "its host or port is badly written.", fix) from fault
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise InvalidField(field, "it is no http or https URL with a host.", fix)
    if not _HOST.fullmatch(host):
        # https://www.twilio.com/docs/voice/api/call-resource: "underscores are not permitted"
        raise InvalidField(field, "its host holds a character that Twilio does not permit.", fix)
    return value


def parameters(field: str, value: object) -> dict[str, str]:
    """Read custom parameters: an object of strings. Their length is checked where they are sent."""
    if not isinstance(value, Mapping):
        raise InvalidField(field, "it is no object.", 'Send e.g. {"order": "42"}.')
    for name, content in value.items():
        if not isinstance(name, str) or not name:
            raise InvalidField(field, "a parameter has no name.", "Give each a name.")
        if name.startswith(RESERVED_PREFIX):
            raise InvalidField(
                f"{field}.{name[:40]}",
                f"names that begin with {RESERVED_PREFIX} are taken.",
                "Choose another.",
            )
        if not isinstance(content, str):
            raise InvalidField(
                f"{field}.{name[:40]}",
                "its value is no text.",
                "Put it in quotes: parameters arrive as text.",
            )
    return dict(value)


def names(field: str, value: object) -> tuple[str, ...]:
    """Read names of sinks: a list, or text with commas between them. An empty list means none."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(
        isinstance(part, str) and re.fullmatch(r"[A-Za-z_][\w.-]{0,63}", part, re.ASCII) for part in parts
    ):
        raise InvalidField(field, "it is no list of names.", 'Send e.g. ["wav", "log"].')
    return tuple(dict.fromkeys(parts))
