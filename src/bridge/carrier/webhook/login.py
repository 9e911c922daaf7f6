"""HTTP authentication of webhooks: asked without credentials first, then as the server wants them."""

from __future__ import annotations

from base64 import b64encode

import aiohttp

_BASIC = "basic"


def http_login(user: str, password: str) -> aiohttp.ClientMiddlewareType:
    """
    Answer a 401 with credentials from the URL, Basic or Digest as the server's challenge says.

    Source: https://www.twilio.com/docs/usage/security#http-authentication.
    """
    digest = aiohttp.DigestAuthMiddleware(user, password)

    async def authenticate(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await digest(request, handler)
        challenge = response.headers.get("WWW-Authenticate", "").strip().lower()
        if response.status != 401 or not challenge.startswith(_BASIC):
            return response
        response.release()
        request.headers["Authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        return await handler(request)

    return authenticate
