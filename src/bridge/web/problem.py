"""
Errors as the web sees them: RFC 9457 problem details, one shape for every route.

=========================== ====== ==================== ===================================================
error                       status code                 note
=========================== ====== ==================== ===================================================
InvalidField                422    invalid_field        with ``field``; ``hint`` is what to send instead
CallUnknown                 404    call_unknown
CallEnded                   409    call_ended           from ``live_call``: with ``recordings``, their names
CallReadOnly                409    call_read_only
CarrierRefused, 4xx         422    carrier_refused      the request was at fault; ``twilio_code`` says how
CarrierRefused, 401 403 404 502    carrier_credentials  our account was: wrong SID, token or permission
CarrierRefused, 429         429    carrier_busy         Twilio did nothing with it, so it may be sent again
CarrierUnreachable          502    carrier_unreachable  504 where it was too slow; the call may yet be placed
ConfigurationError          503    not_configured       the server's operator has to act
other BridgeError           500    internal_error
anything else               500    internal_error       nothing about it is told; the log has it
=========================== ====== ==================== ===================================================
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from bridge.errors import (
    BridgeError,
    CallEnded,
    CallReadOnly,
    CallUnknown,
    CarrierRefused,
    CarrierUnreachable,
    ConfigurationError,
    InvalidField,
)
from bridge.web.astray import direct

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

_CODES: Final = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


class Problem(Exception):
    """
    An answer that is a problem; raise it from a route or a dependency.

    Args:
        status: HTTP status.
        code: A short fixed name that programs can rely on.
        detail: What is wrong, in one sentence.
        field: The part of the request it is about.
        hint: How to mend it.
        headers: Further response headers.
        more: Further members, by name (RFC 9457 section 3.2).

    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field
        self.hint = hint
        self.headers = headers
        self.more = more or {}

    def response(self) -> Response:
        """Give the answer to send; members without a value are left out."""
        members = {
            "type": "about:blank",  # RFC 9457 section 4.2.1: the title is then the status's own phrase
            "title": _phrase(self.status),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "field": self.field,
            "hint": self.hint,
            **self.more,
        }
        told = {name: value for name, value in members.items() if value is not None}
        # In ASCII, because the name of a field may hold what UTF-8 has no bytes for.
        return Response(json.dumps(told).encode(), self.status, dict(self.headers or {}), MEDIA_TYPE)


def problem_of(error: BridgeError) -> Problem:
    """Say an error in the web's words; the table above."""
    text = str(error)
    match error:
        case InvalidField():
            return Problem(422, "invalid_field", error.fault, field=error.field, hint=error.fix)
        case CallUnknown():
            return Problem(404, "call_unknown", text)
        case CallEnded():
            return Problem(409, "call_ended", text)
        case CallReadOnly():
            return Problem(409, "call_read_only", text)
        case CarrierRefused():
            return _refused(error)
        case CarrierUnreachable():
            late = isinstance(error.__cause__, TimeoutError)
            return Problem(504 if late else 502, "carrier_unreachable", text, hint="Look at `bridge doctor`.")
        case ConfigurationError():
            return Problem(503, "not_configured", text)
        case _:
            log.error("a request failed", exc_info=error)
            return _unexpected()


def _refused(error: CarrierRefused) -> Problem:
    more = {"twilio_code": error.code, "more_info": error.more_info}
    if error.status in {401, 403, 404}:
        return Problem(
            502,
            "carrier_credentials",
            f"Twilio does not let this server do that: {error}",
            hint="Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN on the server, e.g. with `bridge doctor`.",
            more=more,
        )
    if error.status == 429:
        return Problem(429, "carrier_busy", str(error), hint="Wait a second and send it again.", more=more)
    return Problem(422, "carrier_refused", str(error), hint=error.more_info, more=more)


def _unexpected() -> Problem:
    return Problem(500, "internal_error", "The server failed at this request.", hint="Its log says why.")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _of_http(request: Request, error: HTTPException) -> Problem:
    code = _CODES.get(error.status_code, "error")
    if error.status_code not in {404, 405} or error.detail != _phrase(error.status_code):
        return Problem(error.status_code, code, str(error.detail), headers=error.headers)
    way = direct(request.app, request.scope)
    headers = {"Allow": ", ".join(way.allowed)} if way.allowed else error.headers
    return Problem(error.status_code, code, way.detail, hint=way.hint, headers=headers)


def _refuse_lost_sockets(app: FastAPI) -> None:
    """Answer a handshake at no route with 404: Starlette closes it, which a server has to make a 403 of."""
    otherwise = app.router.default

    async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
        # https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response
        if scope["type"] == "websocket" and "websocket.http.response" in scope.get("extensions", {}):
            way = direct(app, scope)
            raise Problem(404, _CODES[404], way.detail, hint=way.hint)
        await otherwise(scope, receive, send)

    app.router.default = nowhere


def _of_validation(error: RequestValidationError) -> Problem:
    """Name the first faulty parameter; its value is not repeated, it may be a secret."""
    first = error.errors()[0]
    where, *names = first["loc"]
    if first["type"] == "json_invalid":
        return Problem(400, "bad_json", "The body is not JSON.")
    field = ".".join(map(str, names)) or str(where)
    fault = first["msg"].removeprefix("Value error, ")
    return Problem(422, "invalid_field", f"{fault}.", field=field, hint=f"It is read from the {where}.")


def install(app: FastAPI) -> None:
    """Make every error of an application a problem."""
    _refuse_lost_sockets(app)

    @app.exception_handler(Problem)
    async def problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(BridgeError)
    async def bridge_error(_request: Request, error: BridgeError) -> Response:
        return problem_of(error).response()

    @app.exception_handler(RequestValidationError)
    async def validation(_request: Request, error: RequestValidationError) -> Response:
        return _of_validation(error).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code < 400 or error.status_code in {204, 304}:
            return Response(status_code=error.status_code, headers=error.headers)
        return _of_http(request, error).response()

    @app.exception_handler(Exception)
    async def unexpected(_request: Request, _error: Exception) -> Response:
        return _unexpected().response()  # the server logs it with its trace
