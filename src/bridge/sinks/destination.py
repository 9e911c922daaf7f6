"""Where a sink sends audio: a URL that was checked, and a name for it that holds no secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

_HTTP: Final = frozenset({"http", "https"})
_SOCKET: Final = frozenset({"ws", "wss"})


def _checked(schemes: frozenset[str]) -> Callable[[str], str]:
    wanted = " or ".join(f"{scheme}://" for scheme in sorted(schemes))

    def check(url: str) -> str:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if parts.scheme not in schemes or not host or port == 0 or not url.isprintable() or " " in url:
            # The URL itself is not repeated: it may hold a password.
            raise ValueError(f"it must be {wanted}, a host and a path, without spaces")
        return url

    return check


HttpUrl = Annotated[str, AfterValidator(_checked(_HTTP))]
"""An ``http`` or ``https`` URL with a host."""

SocketUrl = Annotated[str, AfterValidator(_checked(_SOCKET))]
"""A ``ws`` or ``wss`` URL with a host."""


def destination_of(url: str) -> str:
    """Name a URL by scheme, host and port: what may stand in a log, a record and a metric."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
