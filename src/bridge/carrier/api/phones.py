"""``GET /phones``: who is registered and which trunks are up. Twilio has nothing like it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request

from bridge.carrier.api.auth import check_login
from bridge.carrier.api.loopback import is_loopback
from bridge.carrier.sip.roster import Roster


def phones_router(roster: Callable[[], Roster], account_sid: str, auth_token: str) -> APIRouter:
    """
    Give the route.

    It only tells, and hides numbers, so that this machine may ask without credentials: those of ``bridge up``
    are made up anew each time and known to nobody else. Everybody else needs the account's.

    Args:
        roster: Says who is there now.
        account_sid: The account.
        auth_token: Its token.

    """
    router = APIRouter()

    @router.get("/phones")
    async def phones(request: Request) -> Roster:
        if not is_loopback(request):
            check_login(request.headers.get("Authorization"), account_sid, auth_token)
        return roster().masked()

    return router
