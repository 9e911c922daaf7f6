"""
SIP messages as values: read, answered, written.

``Request`` and ``Response`` are those of ``sipmessage``. What a peer wrote is copied as it was written, never
parsed and printed again: printing would escape characters that branches, tags and parameters may hold, and
the peer would not know its own words.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import Final

from sipmessage import Parameters, Request, Response, Via

from bridge.errors import MalformedSip
from bridge.sip.hop import Hop, bracketed
from bridge.sip.parsing import check, parse
from bridge.sip.phrases import phrase_of

__all__ = [
    "Request",
    "Response",
    "check",
    "encode",
    "mark_source",
    "new_branch",
    "new_call_id",
    "new_tag",
    "parse",
    "response_hop",
    "response_to",
    "tag_of",
    "top_via",
]

MAGIC: Final = "z9hG4bK"
"""A branch that begins so is unique over all calls for ever (RFC 3261 section 8.1.1.7)."""

_BREAK: Final = re.compile(r"[\r\n\x00]")
_RPORT: Final = re.compile(r"\s*;\s*rport\s*(=[^;]*)?(?=;|$)", re.IGNORECASE)
_RECEIVED: Final = re.compile(r"\s*;\s*received\s*=[^;]*(?=;|$)", re.IGNORECASE)


def new_branch() -> str:
    """Return a branch that nobody can guess, so that nobody off the path can answer our requests."""
    return MAGIC + secrets.token_hex(12)


def new_tag() -> str:
    """Return a tag for From or To (RFC 3261 section 19.3)."""
    return secrets.token_hex(8)


def new_call_id() -> str:
    """Return a Call-ID; it names no host, which would tell a stranger about our network."""
    return secrets.token_hex(16)


def top_via(hop: Hop, local_host: str, local_port: int, branch: str) -> Via:
    """
    Say where the answer to a request of ours goes; ``rport`` asks for the port it came from (RFC 3581).

    Args:
        hop: Where the request goes; its transport is what Via names.
        local_host: Our address as the peer sees it.
        local_port: Our port.
        branch: From ``new_branch``.

    """
    parameters = Parameters(branch=branch, rport=None)
    return Via(
        transport=hop.transport.upper(), host=bracketed(local_host), port=local_port, parameters=parameters
    )


def tag_of(value: str | None) -> str | None:
    """Read the tag off a From or To as it was written; ``None`` where there is none (RFC 2543)."""
    if value is None:
        return None
    found = re.search(r";\s*tag\s*=\s*([^\s;,>\"]+)", value[value.rfind(">") + 1 :], re.IGNORECASE)
    return found[1] if found else None


def mark_source(request: Request, source: Hop) -> None:
    """
    Write on the top Via whence the request really came (RFC 3261 section 18.2.1, RFC 3581 section 4).

    What the sender claims to have been received from is struck out first.
    """
    vias = list(request.headers.getlist("Via"))
    sent_by = request.via[0].host.strip("[]")
    top = _RECEIVED.sub("", vias[0])
    asked = _RPORT.search(top) is not None
    if asked:
        top = _RPORT.sub("", top) + f";rport={source.port}"
    if asked or sent_by != source.host:
        top += f";received={source.host}"
    request.headers.setlist("Via", [top, *vias[1:]])


def response_hop(request: Request, source: Hop) -> Hop:
    """
    Find where the answers to a request go (RFC 3261 section 18.2.2, RFC 3581 section 4).

    Over a connection they go back on it. Over UDP they go to the address the request came from, and to the
    port it came from if ``rport`` was asked for, else to the port that Via names. ``maddr`` is not obeyed:
    it would let anybody aim our answers at a third party.
    """
    if source.is_reliable:
        return source
    via = request.via[0]
    if any(name.lower() == "rport" for name in via.parameters):
        return source
    return Hop(source.transport, source.host, via.port or 5060)


def response_to(
    request: Request,
    code: int,
    phrase: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """
    Make the answer to a request (RFC 3261 section 8.2.6).

    Args:
        request: Its Via, From, To, Call-ID and CSeq are copied, and its Record-Route where the answer may
            begin a dialog (section 12.1.1).
        code: 100–699.
        phrase: ``None`` for the usual one.
        to_tag: Our tag, where To has none yet; ``None`` for a new one. A 100 gets none.
        headers: More of them, in order.
        body: May be empty.
        content_type: Of the body.

    """
    response = Response(code=code, phrase=phrase or phrase_of(code), body=body)
    response.headers.setlist("Via", list(request.headers.getlist("Via")))
    if request.method == "INVITE" and 100 < code < 300 and request.headers.getlist("Record-Route"):
        response.headers.setlist("Record-Route", list(request.headers.getlist("Record-Route")))
    response.headers.set("From", request.headers["From"])
    to = request.headers["To"]
    if code > 100 and tag_of(to) is None:
        to += f";tag={to_tag or new_tag()}"
    response.headers.set("To", to)
    response.headers.set("Call-ID", request.headers["Call-ID"])
    response.headers.set("CSeq", request.headers["CSeq"])
    if code == 100 and (timestamp := request.headers.get("Timestamp")) is not None:
        response.headers.set("Timestamp", timestamp)  # section 8.2.6.1
    for name, value in headers:
        response.headers.add(name, value)
    if content_type is not None:
        response.headers.set("Content-Type", content_type)
    response.headers.set("Content-Length", str(len(body)))
    return response


def encode(message: Request | Response) -> bytes:
    """
    Write a message as it goes on the wire, with its true Content-Length.

    Raises:
        MalformedSip: A value holds a line break, so that it would end as a header of its own.

    """
    message.headers.set("Content-Length", str(len(message.body)))
    lines = [message.method if isinstance(message, Request) else message.phrase]
    for name in message.headers.keys():  # noqa: SIM118 - no mapping: it cannot be iterated otherwise
        lines += [name, *message.headers.getlist(name)]
    if _BREAK.search("".join(lines)):
        raise MalformedSip("a value to be sent holds a line break", status=None)
    return bytes(message)
