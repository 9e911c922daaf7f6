"""What the system and TLS say of a socket that cannot be had, in words for whoever configured it."""

from __future__ import annotations

import os
import ssl


def refusal(error: Exception, timeout_s: float) -> str:
    """Say why there is no connection; a timeout tells nothing of itself."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    words = _words(error) if isinstance(error, OSError) else str(error)
    return words or f"no connection in {timeout_s:.0f} s"


def cannot_listen(error: OSError, host: str, port: int, setting: str) -> OSError:
    """Name the port and its setting."""
    return OSError(
        error.errno, f"SIP cannot listen on {host} port {port}: {_words(error)}. Free it or change {setting}"
    )


def _words(error: OSError) -> str:
    """Give what the system says of its number: asyncio adds addresses, which are said already."""
    if isinstance(error, ssl.SSLError) or error.errno is None or error.errno <= 0:
        return str(error)
    return os.strerror(error.errno)
