"""A request's body as named fields, whether it came as JSON or as a form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import Message

from bridge.web.problem import Problem

MAX_BODY_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 200

JSON: Final = "application/json"
URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

_SEND_JSON: Final = f"Send {JSON} (with curl: -H 'Content-Type: {JSON}')"
_INNER: Final = re.compile(r"(?P<name>[^\[\]]+)\[(?P<inner>[^\[\]]*)\]")


async def read_fields(request: Request) -> dict[str, object]:
    """
    Read the body.

    In a form, a field that comes more than once is a list, an empty one is left out, and ``name[key]=value``
    makes an object of ``name``.

    Raises:
        Problem: 415 for another kind of body, 413 for one beyond any request, 400 for one that cannot be
            read, saying where it breaks.

    """
    kind = _kind(request)
    if kind not in {JSON, URLENCODED, MULTIPART}:
        raise _not_taken(kind, f"{_SEND_JSON}, {URLENCODED} or {MULTIPART}.")
    body = await _read(request)
    if kind == JSON:
        return _of_json(body)
    if kind == MULTIPART:
        return _of_form(await _parts(request, body))
    if body.lstrip().startswith(b"{"):  # what curl sends if its -d is used without a header
        raise _unsupported(
            "The body looks like JSON, but Content-Type says that it is a form.",
            f"{_SEND_JSON}, {URLENCODED} or {MULTIPART}.",
        )
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except UnicodeDecodeError as fault:
        raise Problem(400, "bad_form", "The form is not UTF-8.") from fault
    except ValueError as fault:
        raise Problem(400, "bad_form", f"The form has more than {MAX_FIELDS} fields.") from fault
    return _of_form(pairs)


def check_json(request: Request) -> None:
    """
    Refuse a body that is not said to be JSON; a dependency of the routes whose body FastAPI reads.

    Raises:
        Problem: 415.

    """
    if (kind := _kind(request)) != JSON:
        raise _not_taken(kind, f"{_SEND_JSON}.")


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _not_taken(kind: str, fix: str) -> Problem:
    told = f"Content-Type {kind[:60]} is not taken here." if kind else "Content-Type is missing."
    return _unsupported(told, fix)


def _unsupported(detail: str, fix: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail, hint=fix)


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Problem(413, "body_too_large", f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return bytes(body)


def _of_json(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise Problem(400, "bad_json", f"The body is not JSON: {fault.msg} at {where}.") from fault
    except UnicodeDecodeError as fault:
        raise Problem(400, "bad_json", f"The body is not UTF-8 at byte {fault.start}.") from fault
    except (ValueError, RecursionError) as fault:
        detail = str(fault) if isinstance(fault, _Fault) else "The body is JSON nobody can mean."
        raise Problem(400, "bad_json", detail) from fault
    if not isinstance(fields, dict):
        raise Problem(
            400, "bad_json", "The body is no JSON object.", hint='Send e.g. {"to": "+12025550123"}.'
        )
    return fields


class _Fault(ValueError):
    """A fault of ours to find: the JSON module has no objection."""


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse what RFC 8259 section 4 leaves to luck: two members of one name."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _Fault("The body names a field twice.")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise _Fault(f"The body holds {name}, which is not JSON.")


async def _parts(request: Request, body: bytes) -> list[tuple[str, Any]]:
    """Let Starlette take a multipart body apart; it wants to read the body itself."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        # No files, so every value is text.
        async with Request(request.scope, receive).form(max_files=0, max_fields=MAX_FIELDS) as form:
            return form.multi_items()
    except (HTTPException, UnicodeDecodeError, LookupError) as fault:
        detail = str(fault.detail) if isinstance(fault, HTTPException) else "its text cannot be read"
        raise Problem(400, "bad_form", f"The multipart form cannot be read: {detail}") from fault


def _of_form(pairs: Iterable[tuple[str, str]]) -> dict[str, object]:
    fields = dict[str, Any]()
    for name, value in pairs:
        if not value:
            continue
        if found := _INNER.fullmatch(name):
            outer = fields.setdefault(found["name"], {})
            if not isinstance(outer, dict) or found["inner"] in outer:
                raise Problem(400, "bad_form", "The form names a field twice.", field=name)
            outer[found["inner"]] = value
        elif name in fields:
            if isinstance(fields[name], dict):
                raise Problem(400, "bad_form", "The form names a field twice.", field=name)
            earlier = fields[name]
            fields[name] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            fields[name] = value
    return fields
