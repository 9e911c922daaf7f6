"""
The HTTP side of the helper library, mended: other hosts, a time-out that holds, errors told apart.

The library's asynchronous client has no setting for the host, makes its session when it is built (so a loop
must be running), ignores the time-out it is built with and obeys only the one of each request; its errors
hide whether Twilio or some proxy answered. It also hands credentials to aiohttp in a way that warns from
aiohttp 3.14 on. So it is used through this, and given no chance to do any of that.
"""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from aiohttp import ClientError
from twilio.http.async_http_client import AsyncTwilioHttpClient  # type: ignore[import-untyped]
from twilio.http.response import Response  # type: ignore[import-untyped]

from bridge.errors import CarrierRefused, CarrierUnreachable, ConfigurationError

_quiet: Final = logging.getLogger(f"{__name__}.library")
_quiet.setLevel(logging.WARNING)  # at INFO the library writes eight lines per request, addresses included

_MAX_MESSAGE_CHARACTERS: Final = 500
_PASSED_ON: Final = ("sid", "status", "duration")
"""What is read of an answer, where it is text; anything else could only trip the library."""


class Transport:
    """
    An HTTP client as the helper library wants one. Build it inside a running loop.

    Args:
        api_base: Scheme, host and perhaps path that replace ``https://api.twilio.com``; ``None`` for Twilio.
        timeout_s: For each request.

    """

    is_async = True  # what the library asks before it makes an asynchronous request

    def __init__(self, *, api_base: str | None, timeout_s: float) -> None:
        self._base = api_base.rstrip("/") if api_base else None
        self._timeout_s = timeout_s
        self._library: Any = AsyncTwilioHttpClient(logger=_quiet)

    async def request(
        self,
        method: str,
        uri: str,
        *,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str],
        **_unused: object,
    ) -> Any:
        """
        Make one request; the library calls this and is given no more of the answer than ``_PASSED_ON``.

        Raises:
            CarrierRefused: The API answered 4xx, and in JSON.
            CarrierUnreachable: Anything else went wrong.

        """
        credentials = b64encode(":".join(auth).encode()).decode("ascii")
        all_headers = {**(headers or {}), "Authorization": f"Basic {credentials}"}
        try:
            response = await self._library.request(
                method, self._rewritten(uri), data=data, headers=all_headers, timeout=self._timeout_s
            )
        except TimeoutError as fault:
            raise CarrierUnreachable(f"{self.host} did not answer within {self._timeout_s:g} s.") from fault
        except (ClientError, OSError) as fault:
            raise CarrierUnreachable(f"{self.host} cannot be reached: {fault}.") from fault
        except (UnicodeDecodeError, LookupError) as fault:
            raise CarrierUnreachable(f"{self.host} answered with something that is no text.") from fault
        return Response(response.status_code, json.dumps(self._read(response.status_code, response.text)))

    @property
    def host(self) -> str:
        """Whom the requests go to, for messages."""
        return urlsplit(self._base).netloc if self._base else "api.twilio.com"

    def _rewritten(self, uri: str) -> str:
        if self._base is None:
            return uri
        parts = urlsplit(uri)
        return self._base + urlunsplit(("", "", parts.path, parts.query, ""))

    def _read(self, status: int, text: str) -> dict[str, str]:
        """Take the answer apart; of a good one only what is asked of the library goes on to it."""
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise CarrierUnreachable(f"{self.host} answered {status} with something that is no JSON object.")
        if 400 <= status < 500:
            raise refusal(status, answer)
        sid = answer.get("sid")
        if not 200 <= status < 300 or not isinstance(sid, str):
            raise CarrierUnreachable(f"{self.host} answered {status}. {_message(answer)}".strip())
        return {name: value for name in _PASSED_ON if isinstance(value := answer.get(name), str)}

    async def close(self) -> None:
        """Close the connections."""
        await self._library.close()


def refusal(status: int, answer: Mapping[str, object]) -> CarrierRefused:
    """
    Read an error of the API, in its older shape (``message``) or in that of RFC 9457 (``title``, ``detail``).

    Args:
        status: The HTTP status.
        answer: The decoded body; nothing in it is relied upon.

    """
    code, more_info = answer.get("code"), answer.get("more_info") or answer.get("type")
    return CarrierRefused(
        _message(answer) or f"Twilio answered {status} without a message.",
        status=status,
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        more_info=more_info[:_MAX_MESSAGE_CHARACTERS] if isinstance(more_info, str) else None,
    )


def _message(answer: Mapping[str, object]) -> str:
    parts = [answer.get(name) for name in ("message", "title", "detail")]
    return " ".join(part for part in parts if isinstance(part, str))[:_MAX_MESSAGE_CHARACTERS]


def check_api_base(api_base: str) -> str:
    """
    Check what replaces ``https://api.twilio.com``.

    Raises:
        ConfigurationError: It is no absolute http or https URL, or carries credentials or a query.

    """
    try:
        parts = urlsplit(api_base)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(character in api_base for character in "@?# \t\r\n"):
        raise ConfigurationError(
            "The Twilio API base must be an absolute http or https URL, e.g. http://localhost:5070."
        )
    return api_base
