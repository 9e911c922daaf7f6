"""What comes of asking an application's URL: an answer, or a failure with Twilio's code for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import aiohttp

MAX_BODY_BYTES: Final = 64 * 1024
"""What Twilio reads of one document; more is error 11750."""

MAX_AUDIO_BYTES: Final = 16 * 1024 * 1024
"""Longest audio file fetched: a quarter of an hour of 8 kHz PCM16."""

_CERTIFICATE_EXPIRED: Final = 10
_HOSTNAME_MISMATCH: Final = 62
"""OpenSSL's verify codes ``X509_V_ERR_CERT_HAS_EXPIRED`` and ``X509_V_ERR_HOSTNAME_MISMATCH``."""


@dataclass(frozen=True, slots=True)
class Reply:
    """
    An answer with a status below 400.

    Attributes:
        url: Where it came from, redirects followed.
        status: HTTP status.
        content_type: Media type in lower case without parameters; empty if the header was absent.
        body: All of it.
        chunked: Whether it came with chunked transfer encoding.

    """

    url: str
    status: int
    content_type: str
    body: bytes
    chunked: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """
    No usable answer.

    Attributes:
        code: Twilio's error code.
        message: What happened, for people.
        url: What was asked.
        policy: Which retry policy covers it: ``ct``, ``rt``, ``4xx``, ``5xx``; ``other`` for ``all`` alone.

    """

    code: int
    message: str
    url: str
    policy: str = "other"


def shown_url(url: str) -> str:
    """Leave out of a URL what may be secret, for logs: login and query."""
    scheme, separator, rest = url.partition("#")[0].partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


async def read_reply(response: aiohttp.ClientResponse, url: str) -> Reply | Failure:
    """Read an answer's body up to what Twilio takes of its kind."""
    if response.status >= 400:
        policy = "4xx" if response.status < 500 else "5xx"
        return Failure(11200, f"answered with HTTP {response.status}", url, policy)
    header = response.headers.get("Content-Type", "")
    content_type = header.partition(";")[0].strip().lower()
    limit = MAX_AUDIO_BYTES if content_type.startswith("audio/") else MAX_BODY_BYTES
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            return Failure(11750, f"the answer is longer than {limit} bytes", url)
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return Reply(url, response.status, content_type, bytes(body), chunked)


def failure_of(fault: Exception, url: str) -> Failure:
    """Say in Twilio's codes what an exception of the HTTP client means."""
    # The order matters: the certificate, TLS and DNS errors are connector errors too, the first a ValueError.
    match fault:
        case aiohttp.ConnectionTimeoutError():
            return Failure(11201, "the connection was not made in time", url, "ct")
        case aiohttp.ServerTimeoutError():
            return Failure(11205, "connected, but the answer did not come in time", url, "rt")
        case TimeoutError():
            return Failure(11203, "the total time-out ended the request", url)
        case aiohttp.ClientConnectorCertificateError():
            return Failure(_certificate_code(fault.certificate_error), f"{fault}", url, "ct")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            return Failure(11100, "the URL is malformed", url)
        case aiohttp.ClientConnectorSSLError():
            return Failure(11220, f"TLS handshake failed: {fault}", url, "ct")
        case aiohttp.ClientConnectorDNSError():
            return Failure(11210, f"the host name does not resolve: {fault.host}", url, "ct")
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return Failure(11202, "the connection was refused", url, "ct")
        case aiohttp.ClientConnectorError():
            return Failure(11205, f"no connection: {fault.os_error}", url, "ct")
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return Failure(11206, f"the answer is not HTTP: {fault}", url)
        case _:
            return Failure(11205, f"the connection broke: {fault}", url)


def _certificate_code(error: Exception) -> int:
    # Without OpenSSL's code it was Python that compared the host names.
    code = getattr(error, "verify_code", _HOSTNAME_MISMATCH)
    return {_HOSTNAME_MISMATCH: 11235, _CERTIFICATE_EXPIRED: 11236}.get(code, 11237)
