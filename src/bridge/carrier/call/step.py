"""What a TwiML verb leads to, and what it needs of the call it runs in."""

from __future__ import annotations

from typing import Literal, Protocol
from urllib.parse import urljoin

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import Document, HttpMethod
from bridge.carrier.phone.line import Line
from bridge.carrier.webhook.script import Script
from bridge.twilio.twiml import Element

Verdict = Literal["hang-up", "busy", "no-answer"]
"""How a call's documents end: hang up, or (only before the answer) refuse as busy or not in service."""


Step = Document | Verdict | None
"""After a verb: another document takes over, the call ends, or (``None``) the next verb runs."""


class Stage(Protocol):
    """The call a verb runs in."""

    @property
    def call(self) -> CarrierCall:
        """Whose document it is."""
        ...

    @property
    def line(self) -> Line:
        """Its audio; up only once the call is answered."""
        ...

    async def answer(self) -> None:
        """Pick up, if the call is not answered yet."""
        ...


def resolve(script: Script, url: str) -> str:
    """Make a URL absolute that a document may have given relative to its own."""
    return url if script.url is None else urljoin(script.url, url)


def whole_number(verb: Element, attribute: str, default: int, *, least: int) -> int | None:
    """Read an attribute that must be a whole number; ``None`` if it is something else."""
    text = verb.get(attribute, str(default)).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < least:
        return None
    return int(text)


def http_method(stage: Stage, verb: Element, attribute: str) -> HttpMethod:
    """Read an attribute that says how a URL is asked; POST where it says nothing usable."""
    value = verb.get(attribute, "POST").upper()
    if value == "GET":
        return "GET"
    if value != "POST":
        stage.call.warn(12200, f'line {verb.line}: {attribute}="{value[:20]}" is neither GET nor POST')
    return "POST"
