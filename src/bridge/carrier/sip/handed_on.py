"""The headers of a SIP peer that reach the application, as Twilio hands them on."""

from __future__ import annotations

from typing import Final

from sipmessage import Request, Response

MAX_HEADERS: Final = 20
_MAX_CHARACTERS: Final = 1024


def own_headers(message: Request | Response) -> tuple[tuple[str, str], ...]:
    """The headers Twilio hands on: those that begin with ``X-``, and ``User-to-User``."""
    found = [
        (name, message.headers.getlist(name)[0][:_MAX_CHARACTERS])
        for name in message.headers.keys()  # noqa: SIM118  (not a mapping)
        if name.lower().startswith("x-") or name.lower() == "user-to-user"
    ]
    return tuple(found[:MAX_HEADERS])
