"""
The Calls API as FastAPI routes. Source: https://www.twilio.com/docs/voice/api/call-resource.

Errors have Twilio's shape: ``{"code", "message", "more_info", "status"}``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from bridge.carrier.api.auth import check_login
from bridge.carrier.api.create import read_create
from bridge.carrier.api.form import refused
from bridge.carrier.api.listing import list_calls
from bridge.carrier.api.resource import Resource, resource_of
from bridge.carrier.api.update import update_call
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.webhook.form import API_VERSION
from bridge.errors import CallUnknown, CarrierRefused

_MAX_FIELDS = 200


def calls_router(
    exchange: Exchange, auth_token: str, owned_numbers: Collection[str], trunk_sids: Collection[str] = ()
) -> APIRouter:
    """
    Give the routes below ``/2010-04-01/Accounts/{AccountSid}``.

    Args:
        exchange: Owns the calls.
        auth_token: The account's token.
        owned_numbers: What ``From`` may be when a number is called.
        trunk_sids: What ``Byoc`` may be.

    """

    async def authorized(request: Request, account_sid: str) -> None:
        check_login(request.headers.get("Authorization"), exchange.account_sid, auth_token)
        if account_sid != exchange.account_sid:
            raise _not_found(request)

    def found(request: Request, sid: str) -> CarrierCall:
        try:
            return exchange.find(sid)
        except CallUnknown:
            raise _not_found(request) from None

    router = APIRouter(prefix=f"/{API_VERSION}/Accounts/{{account_sid}}", dependencies=[Depends(authorized)])

    @router.post("/Calls.json", status_code=201)
    async def create(request: Request) -> Resource:
        return resource_of(exchange.place(read_create(await _form(request), owned_numbers, trunk_sids)))

    @router.get("/Calls.json")
    async def read_all(request: Request) -> dict[str, Any]:
        return list_calls(exchange.newest_first(), exchange.account_sid, request.query_params.multi_items())

    @router.get("/Calls/{sid}.json")
    async def fetch(request: Request, sid: str) -> Resource:
        return resource_of(found(request, sid))

    @router.post("/Calls/{sid}.json")
    async def update(request: Request, sid: str) -> Resource:
        call = found(request, sid)
        update_call(call, await _form(request))
        return resource_of(call)

    @router.delete("/Calls/{sid}.json", status_code=204)
    async def delete(request: Request, sid: str) -> Response:
        if not exchange.forget(found(request, sid).sid):
            raise refused(20009, "Cannot delete this resource before it is complete", status=409)
        return Response(status_code=204)

    return router


def add_error_shape(app: FastAPI) -> None:
    """Answer every error as Twilio does."""

    @app.exception_handler(CarrierRefused)
    async def refused_answer(_request: Request, error: CarrierRefused) -> JSONResponse:
        body = {
            "code": error.code,
            "message": str(error),
            "more_info": error.more_info,
            "status": error.status,
        }
        headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if error.status == 401 else None
        return JSONResponse(body, status_code=error.status, headers=headers)

    @app.exception_handler(HTTPException)
    async def http_answer(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 404:
            return await refused_answer(request, _not_found(request))
        code = {405: 20004}.get(error.status_code, 20000 + error.status_code)
        return await refused_answer(request, refused(code, error.detail, status=error.status_code))


def _not_found(request: Request) -> CarrierRefused:
    return refused(20404, f"The requested resource {request.url.path} was not found", status=404)


async def _form(request: Request) -> list[tuple[str, str]]:
    async with request.form(max_files=0, max_fields=_MAX_FIELDS) as form:
        return [(name, value) for name, value in form.multi_items() if not isinstance(value, UploadFile)]
