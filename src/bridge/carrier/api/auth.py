"""Who may use the Calls API: the account's SID and token, by HTTP Basic authentication."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode

from bridge.carrier.api.form import refused


def check_login(header: str | None, account_sid: str, auth_token: str) -> None:
    """
    Check an ``Authorization`` header, in time that does not depend on how wrong it is.

    Raises:
        CarrierRefused: 20003, HTTP 401.

    """
    given = b""
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = b64decode(rest.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
    if not hmac.compare_digest(given, f"{account_sid}:{auth_token}".encode()):
        raise refused(20003, "Authentication Error - invalid username", status=401)
