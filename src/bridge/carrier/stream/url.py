"""Which URLs a ``<Stream>`` may have, and what Twilio makes of one before it connects."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

NOT_SECURE: Final = 31922
MALFORMED: Final = 31923


@dataclass(frozen=True, slots=True)
class StreamFault:
    """Why a stream ended or never began: Twilio's error code, and what to know about it in one sentence."""

    code: int
    message: str


def handshake_url(url: str) -> str | StreamFault:
    """
    The URL as it is asked for and signed: without login, query and fragment, the rest as written.

    Twilio connects by ``wss`` alone (https://www.twilio.com/docs/voice/twiml/stream); this carrier also by
    ``ws`` to a loopback host, so that a laptop needs no certificate. Query strings are not supported and
    silently removed; data travels in ``<Parameter>``.

    Returns:
        The URL, or the fault: 31922 for another scheme, 31923 for what is no URL.

    """
    if not all("!" <= character <= "~" for character in url):
        return StreamFault(MALFORMED, "stream URL with spaces or non-ASCII characters; percent-encode them")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return StreamFault(MALFORMED, f"malformed stream URL: {error}")
    if not parts.scheme or not host or port == 0:
        return StreamFault(MALFORMED, "malformed stream URL: write wss://host/path")
    if parts.scheme != "wss" and not (parts.scheme == "ws" and _is_loopback(host)):
        return StreamFault(
            NOT_SECURE,
            f"stream URL with scheme {parts.scheme!r}: only wss is allowed (ws to a loopback host)",
        )
    authority = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{authority}{parts.path}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # some other name: where it leads today proves nothing
        return False
