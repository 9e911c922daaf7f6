"""One parameter after the other: what Twilio accepts in a form, and with which code it refuses the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from bridge.carrier.call.request import EVENTS, Event, HttpMethod, StatusCallback
from bridge.errors import CarrierRefused

MAX_TWIML_CHARACTERS: Final = 4000
MAX_TIME_LIMIT_S: Final = 86_400
"""What an account can be allowed at most; the default is four hours."""

_EVENT_SEPARATORS: Final = re.compile(r"[\s,]+")


def refused(code: int, message: str, *, status: int = 400) -> CarrierRefused:
    """Make the error that goes out as Twilio's JSON."""
    return CarrierRefused(
        message, status=status, code=code, more_info=f"https://www.twilio.com/docs/errors/{code}"
    )


class Form:
    """
    A request's parameters.

    Args:
        fields: As they came; a name may be repeated.

    Attributes:
        notes: Warnings gathered while reading, with Twilio's codes.

    """

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self._fields = fields
        self.notes: list[tuple[int | None, str]] = []

    def all(self, name: str) -> list[str]:
        """Give every value of a parameter."""
        return [value for key, value in self._fields if key == name]

    def get(self, name: str) -> str | None:
        """Give a parameter's last value; ``None`` if it is absent or empty, which is the same to Twilio."""
        values = self.all(name)
        return (values[-1] or None) if values else None

    def method(self, name: str) -> HttpMethod:
        """Give an HTTP method, POST by default. Raises ``CarrierRefused`` with 21209."""
        value = (self.get(name) or "POST").upper()
        if value == "GET":
            return "GET"
        if value == "POST":
            return "POST"
        raise refused(21209, f"{name} is not a valid HTTP method: {value[:40]}")

    def url(self, name: str, *, code: int = 21205) -> str | None:
        """Give an absolute http or https URL. Raises ``CarrierRefused`` with the code."""
        value = self.get(name)
        if value is not None and not is_url(value):
            raise refused(code, f"{name} is not a valid URL: {value[:200]}")
        return value

    def whole(self, name: str, low: int, high: int, code: int) -> int | None:
        """Give a whole number within a range. Raises ``CarrierRefused`` with the code."""
        value = self.get(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 10 and low <= int(value) <= high):
            raise refused(
                code, f"Invalid {name} value: {value[:40]}. It must be a number from {low} to {high}."
            )
        return int(value)

    def one_of(self, name: str, allowed: Sequence[str], code: int) -> str | None:
        """Give a value from a list. Raises ``CarrierRefused`` with the code."""
        value = self.get(name)
        if value is not None and value not in allowed:
            raise refused(
                code, f"Invalid {name} value: {value[:40]}. It must be one of {', '.join(allowed)}."
            )
        return value

    def twiml(self) -> str | None:
        """Give inline TwiML. Raises ``CarrierRefused`` with 32018 if it is too long."""
        value = self.get("Twiml")
        if value is not None and len(value) > MAX_TWIML_CHARACTERS:
            raise refused(32018, f"Twiml size exceeded maximum allowed value: {len(value)} characters")
        return value

    def status_callback(self) -> StatusCallback | None:
        """
        Give who is told of the call's progress.

        Raises:
            CarrierRefused: 21609 for a URL that cannot be asked; underscores in the host name included.

        """
        url = self.url("StatusCallback", code=21609)
        if url is None:
            return None
        if "_" in (urlsplit(url).hostname or ""):
            raise refused(21609, f"Invalid 'StatusCallback' URL: underscores in the host name: {url[:200]}")
        return StatusCallback(url, self.method("StatusCallbackMethod"), self._events())

    def _events(self) -> frozenset[Event]:
        words = [
            word
            for value in self.all("StatusCallbackEvent")
            for word in _EVENT_SEPARATORS.split(value.strip())
            if word
        ]
        if not words:
            return frozenset({"completed"})
        unknown = sorted(set(words) - set(EVENTS))
        if unknown:
            # Twilio still answers 201, warns, and then sends no callback at all (observed).
            self.notes.append((21626, f"Invalid 'StatusCallbackEvent' {unknown}: no callbacks will be sent"))
            return frozenset()
        return frozenset(event for event in EVENTS if event in words)


def is_url(text: str) -> bool:
    """Whether a text is an absolute http or https URL."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # parsed on access, and refused if it is none
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"[\s<>\"]", text)
