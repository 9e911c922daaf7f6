"""
Bytes from the network become messages that cannot surprise anybody later.

Liberal in form (RFC 3261 section 7.5; folded lines, bare line feeds, compact names, spaces before the colon),
strict in what the layers above act upon: after ``parse`` the typed accessors of From, To, Call-ID, CSeq, Via,
Max-Forwards, Contact, Record-Route, Route and Content-Length do not raise. The one exception is
``Contact: *`` of a REGISTER (section 10.2.2), which only ``headers.get("Contact")`` tells.
"""

from __future__ import annotations

import re
from typing import Final

from sipmessage import URI, Request, Response
from sipmessage.message import COMPACT_FORMS

from bridge.errors import MalformedSip
from bridge.sip import grammar

grammar.correct()

MAX_MESSAGE_BYTES: Final = 65_536
MAX_HEADERS: Final = 256
MAX_HEADER_BYTES: Final = 8_192
"""Of one header, unfolded, and of the first line; Record-Route through many proxies stays far below."""

NEEDED: Final = ("Via", "From", "To", "Call-ID", "CSeq")
"""Without one of these nothing can be matched or answered (RFC 3261 section 8.1.1)."""

_SINGLE: Final = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Expires")
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_LINE: Final = re.compile(r"\r?\n")
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,64}")
_CALL_ID: Final = re.compile(r"[!-~]{1,1024}")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(?=:)")
_DIGITS: Final = re.compile(r"[0-9]{1,10}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_VALUE: Final = re.compile(r'(?:[^",<\\]|\\.?|"(?:[^"\\]|\\.)*"?|<[^>]*>?)+')
"""What stands between commas that are neither quoted nor part of an address in angle brackets."""


def parse(data: bytes) -> Request | Response:
    """
    Read one message: a datagram, or what ``Framing`` cut out of a stream.

    Args:
        data: The whole message; what follows the stated Content-Length is ignored (RFC 3261 section 18.3).

    Raises:
        MalformedSip: It is none; with the request to answer where there is enough of one.

    """
    data = data.lstrip(b"\r\n")  # section 7.5: line ends before the first line are ignored
    if len(data) > MAX_MESSAGE_BYTES:
        raise MalformedSip("the message is too long", status=None)
    end = _END_OF_HEAD.search(data)
    if end is None:
        raise MalformedSip("no empty line ends the headers", status=None)
    first, *lines = _LINE.split(data[: end.start()].decode("utf-8", "replace"))
    message, fault = _first_line(first)
    _add_headers(message, lines)
    message.body = data[end.end() :]
    if fault is not None:
        raise _refusal(fault, message)
    check(message)
    if (length_bytes := message.content_length) is not None:
        if length_bytes > len(message.body):
            raise _refusal(MalformedSip("the body is shorter than its Content-Length"), message)
        message.body = message.body[:length_bytes]
    return message


def check(message: Request | Response) -> None:
    """
    Touch once what the layers above will touch, so that it cannot raise later.

    Raises:
        MalformedSip: A header is missing, doubled or unreadable.

    """
    for name in _SINGLE:
        if len(set(message.headers.getlist(name))) > 1:
            raise _refusal(MalformedSip(f"{name} stands there more than once"), message)
    for name in NEEDED:
        if not message.headers.get(name):
            raise MalformedSip(f"{name} is missing", status=None)
    try:
        fault = _fault_in(message)
    except (ValueError, TypeError, KeyError):  # a parameter named "self" is a TypeError in the library
        fault = "a header cannot be read"
    if fault is not None:
        raise _refusal(MalformedSip(fault), message)


def _fault_in(message: Request | Response) -> str | None:
    """Name what is wrong; raises what the accessors raise."""
    for via in message.via:
        if not via.parameters.get("branch", "-") or not _is_port(via.port):
            return "Via has an empty branch or an impossible port"
    addresses = [message.from_address, message.to_address, *message.record_route, *message.route]
    if not (_method(message) == "REGISTER" and message.headers.getlist("Contact") == ["*"]):
        addresses += message.contact
    if not all(_is_port(address.uri.port) for address in addresses):
        return "an address has an impossible port"
    uris = [address.uri for address in addresses]
    if isinstance(message, Request):
        uris.append(message.uri)
    if not all((uri.user or "").isprintable() for uri in uris):
        return "a user has control characters"  # escaped on the wire, and plain in whatever shows it
    if not _CALL_ID.fullmatch(message.call_id):
        return "Call-ID is no word"
    for name in ("Max-Forwards", "Content-Length"):
        value = message.headers.get(name)
        if value is not None and not _DIGITS.fullmatch(value):
            return f"{name} is no number"
    cseq = message.cseq
    if cseq.sequence >= 2**31:  # section 8.1.1.5
        return "CSeq is 2^31 or more"
    if cseq.method != (_method(message) or cseq.method):
        return "CSeq names another method"
    return None


def _method(message: Request | Response) -> str | None:
    return message.method if isinstance(message, Request) else None


def _is_port(port: int | None) -> bool:
    return port is None or 0 < port < 65_536


def _first_line(line: str) -> tuple[Request | Response, MalformedSip | None]:
    """Make the message that the first line announces; a fault leaves enough of a request to refuse it."""
    words = line.split()
    if words and words[0].upper() == "SIP/2.0":
        code = words[1] if len(words) > 1 else ""
        if not re.fullmatch("[1-6][0-9][0-9]", code):
            raise MalformedSip("the status is none of 100 to 699", status=None)
        return Response(code=int(code), phrase=_CONTROL.sub(" ", " ".join(words[2:]))), None
    if len(words) < 3 or not _TOKEN.fullmatch(words[0]) or not words[-1].upper().startswith("SIP/"):
        raise MalformedSip("the first line is neither a request's nor a response's", status=None)
    nowhere = Request(method=words[0], uri=URI(scheme="sip", host="invalid"))
    if words[-1].upper() != "SIP/2.0":
        return nowhere, MalformedSip("another version of SIP", status=505)
    if len(words) > 3 or len(line) > MAX_HEADER_BYTES:
        return nowhere, MalformedSip("the request URI has spaces in it or is too long")
    found = _SCHEME.match(words[1])
    scheme = found[0].lower() if found else ""
    if found and scheme not in {"sip", "sips", "tel"}:
        return nowhere, MalformedSip("the request URI has a scheme not spoken here", status=416)
    try:
        uri = URI.parse(scheme + words[1][len(scheme) :])
    except (ValueError, TypeError):
        return nowhere, MalformedSip("the request URI cannot be read")
    if not _is_port(uri.port):
        return nowhere, MalformedSip("the request URI has an impossible port")
    return Request(method=words[0], uri=uri), None


def _add_headers(message: Request | Response, lines: list[str]) -> None:
    """Unfold, name in full, and put in; a line that is no header is ignored (RFC 3261 section 8.2)."""
    whole: list[str] = []
    for line in lines:
        if line[:1] in {" ", "\t"} and whole:  # section 7.3.1: a folded line goes on
            whole[-1] += " " + line.strip()
        else:
            whole.append(line)
    if len(whole) > MAX_HEADERS:
        raise MalformedSip("too many headers", status=None)
    for line in whole:
        if len(line) > MAX_HEADER_BYTES:
            raise MalformedSip("a header is too long", status=None)
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not _TOKEN.fullmatch(name):
            continue
        name = COMPACT_FORMS.get(name.lower(), name)
        # A bare CR would end the line in an answer.
        value = value.strip() if value.isprintable() else _CONTROL.sub(" ", value).strip()
        if name.lower() in {"via", "contact", "route", "record-route"}:
            # One value a line: the top Via, and each hop of a route, can then be taken as it was written.
            for part in _VALUE.findall(value) if "," in value else [value]:
                message.headers.add(name, " ".join(part.split()))
        elif name.lower() != "expires" or _DIGITS.fullmatch(value):  # 10.3: a bad Expires is none
            message.headers.add(name, value)


def _refusal(fault: MalformedSip, message: Request | Response) -> MalformedSip:
    """Give the fault the request to answer; a response, an ACK and an unanswerable request get no answer."""
    if not isinstance(message, Request) or message.method == "ACK":
        return MalformedSip(fault.reason, status=None)
    try:
        routable = _is_port(message.via[0].port) and all(message.headers.get(name) for name in NEEDED)
    except (ValueError, TypeError, IndexError):
        routable = False
    if not routable:
        return MalformedSip(fault.reason, status=None)
    return MalformedSip(fault.reason, status=fault.status, request=message)
