"""What is wrong with a typed message, in the words of an ``InvalidField``: the field and its fault."""

from __future__ import annotations

import re
from typing import Final

import msgspec

_PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_FIELD: Final = re.compile(r"^Object (contains unknown|missing required) field `(.*?)`", re.DOTALL)
_MAX_CHARACTERS: Final = 200
"""What was sent is told back, but not without end."""


def field_and_fault(error: msgspec.ValidationError, *, whole: str) -> tuple[str, str]:
    """
    Name the field that msgspec found wrong, and say what is wrong with it in one sentence.

    Args:
        error: Its messages end in a path, ``… - at `$.name```, or name a field themselves.
        whole: What to call the message itself, where no field of it is at fault.

    """
    text = str(error)
    if found := _FIELD.match(text):
        fault = "it is missing." if found[1].startswith("missing") else "it is not known here."
        return found[2][:_MAX_CHARACTERS], fault
    place = _PLACE.search(text)
    fault = text[: place.start()] if place else text
    return (place[1] if place else "") or whole, f"{fault[:_MAX_CHARACTERS]}.".replace("`", "")
