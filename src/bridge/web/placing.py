"""``POST /make-call`` and ``POST /calls``: place a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.requests import HTTPConnection

from bridge.calls.placing_rules import ALIASES, FIELDS
from bridge.twilio.placer import Placer
from bridge.web.body import JSON, MULTIPART, URLENCODED, read_fields
from bridge.web.problem import MEDIA_TYPE
from bridge.web.resource import CallResource, PlacedCall, ProblemResource

_OBJECTS: Final = {"parameters": {"type": "object", "additionalProperties": {"type": "string"}}}
_LISTS: Final = ("sinks", "status_callback_event", "recording_status_callback_event")


def placing_router(
    *, placer: Placer, guard: Callable[[HTTPConnection], Any], base_url: Callable[[HTTPConnection], str]
) -> APIRouter:
    """
    Make the routes that place calls.

    Args:
        placer: Does it.
        guard: A dependency that refuses whoever may not.
        base_url: Tells how the carrier reaches this server, ``http(s)://host[:port][/prefix]``.

    """
    router = APIRouter(
        tags=["calls"], dependencies=[Depends(guard)], responses=problems(400, 413, 415, 422, 502)
    )

    @router.post("/make-call", summary="Place a call, get its SID", openapi_extra=_request_body())
    async def make_call(request: Request) -> PlacedCall:
        record = await placer.place(await read_fields(request), base_url=base_url(request))
        return PlacedCall(call_sid=record.sid)

    @router.post("/calls", status_code=201, summary="Place a call", openapi_extra=_request_body())
    async def create_call(request: Request, response: Response) -> CallResource:
        record = await placer.place(await read_fields(request), base_url=base_url(request))
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/calls/{record.sid}"
        return CallResource.of(record)

    return router


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the error answers of a route for OpenAPI."""
    schema = ProblemResource.model_json_schema()
    return {
        status: {"description": "Problem", "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


def _request_body() -> dict[str, Any]:
    """Describe the body for OpenAPI; it is read by hand, because three media types share one set of rules."""
    properties: dict[str, Any] = {name: {"type": "string"} for name in (*FIELDS, *ALIASES)}
    properties |= _OBJECTS | {name: {"type": "array", "items": {"type": "string"}} for name in _LISTS}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    example = {"to": "sip:demo@localhost"}
    return {
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": schema, "example": example} for kind in (JSON, URLENCODED, MULTIPART)
            },
        }
    }
