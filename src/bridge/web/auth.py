"""Who may do what: Twilio by signature, media sockets by signature or token, apps by key or loopback."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.requests import HTTPConnection

from bridge.twilio.signature import is_signed, is_signed_body, url_candidates
from bridge.web.origin import PublicAddress, is_true_loopback
from bridge.web.problem import Problem

log = logging.getLogger(__name__)

SIGNATURE: Final = "x-twilio-signature"
MAX_FORM_BYTES: Final = 256 * 1024
Form = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TwilioGate:
    """
    Lets Twilio's requests through, and nobody else's.

    Attributes:
        auth_token: Signs Twilio's requests; ``None`` while no credentials are configured: then only true
            loopback is served.
        is_local: The credentials were made up by ``bridge up``, which leaves loopback as open as without.
        public: What Twilio calls us.

    """

    auth_token: str | None
    is_local: bool
    public: PublicAddress

    async def form(self, request: Request) -> Form:
        """
        Read a webhook's parameters, after its signature was checked (a FastAPI dependency).

        Raises:
            Problem: 403 for a missing or wrong signature, 413 for a body beyond any webhook.

        """
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_FORM_BYTES:
                raise Problem(413, "body_too_large", f"The body is larger than {MAX_FORM_BYTES} bytes.")
        is_form = "x-www-form-urlencoded" in request.headers.get("content-type", "")
        posted = _pairs(body.decode("utf-8", "replace")) if is_form else []
        self._check(request, posted, body if body and not is_form else None)
        return posted or _pairs(request.scope.get("query_string", b"").decode("latin-1"))

    def _check(self, request: Request, posted: Form, body: bytes | None) -> None:
        if self.auth_token is None:
            if not is_true_loopback(request):
                raise Problem(
                    403,
                    "no_credentials",
                    "Without Twilio credentials its requests cannot be told from anybody's.",
                    hint="Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN; else only loopback is served.",
                )
            return
        signature = request.headers.get(SIGNATURE)
        url = self.public.seen_url(request)
        if body is not None and is_signed_body(self.auth_token, url_candidates(url), body, signature):
            return
        if body is None and is_signed(self.auth_token, url_candidates(url), posted, signature):
            return
        if signature is None and self.is_lax and is_true_loopback(request):
            return
        log.warning("refused an unsigned or wrongly signed request; a signature was expected for %s", url)
        raise Problem(
            403,
            "bad_signature" if signature else "no_signature",
            "X-Twilio-Signature is wrong." if signature else "X-Twilio-Signature is missing.",
            hint="Set BRIDGE_PUBLIC_URL to the exact address Twilio uses, and TWILIO_AUTH_TOKEN to the"
            " account's primary token. `bridge doctor` shows both.",
        )

    @property
    def is_lax(self) -> bool:
        """Whether loopback may do without signatures."""
        return self.auth_token is None or self.is_local

    def handshake(self, connection: HTTPConnection) -> Handshake:
        """
        Judge a media socket's handshake.

        Raises:
            Problem: 403 for a wrong signature.

        """
        signature = connection.headers.get(SIGNATURE)
        loopback = self.is_lax and is_true_loopback(connection)
        if signature is None or self.auth_token is None:
            return Handshake(signed=False, loopback=loopback)
        url = self.public.seen_url(connection)
        if is_signed(self.auth_token, url_candidates(url), (), signature):
            return Handshake(signed=True, loopback=loopback)
        log.warning("refused a media socket: its signature is not one for %s", url)
        raise Problem(
            403,
            "bad_signature",
            "X-Twilio-Signature is wrong for this socket.",
            hint="Set BRIDGE_PUBLIC_URL to the exact address in the TwiML; `bridge doctor` shows it.",
        )


@dataclass(frozen=True, slots=True)
class Handshake:
    """
    What a media socket's handshake proved.

    Attributes:
        signed: Twilio's own signature was there and right.
        loopback: It comes from this very machine and such sockets need no proof.

    """

    signed: bool
    loopback: bool


@dataclass(frozen=True, slots=True)
class AppGate:
    """Lets our own programs through: by bearer key, or from true loopback while no key is set."""

    api_key: str | None

    def __call__(self, request: HTTPConnection) -> None:
        """
        Check one request (a FastAPI dependency).

        Raises:
            Problem: 401 for a missing or wrong key, 403 for a request from outside without any key set.

        """
        if self.api_key is None:
            if not is_true_loopback(request):
                raise Problem(
                    403,
                    "loopback_only",
                    "Without a configured key only requests made on this machine itself are served.",
                    hint="Set BRIDGE_API_KEY on the server and send it as `Authorization: Bearer …`.",
                )
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self.api_key.encode()):
            raise Problem(
                401,
                "bad_key" if key else "no_key",
                "The key is wrong." if key else "This route needs a key.",
                hint="Send the server's BRIDGE_API_KEY as `Authorization: Bearer …`.",
                headers={"WWW-Authenticate": "Bearer"},
            )


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        raise Problem(400, "too_many_fields", "The form has more than 1000 fields.") from None
