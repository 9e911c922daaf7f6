"""The session description in a message's body, alone or among other parts."""

from __future__ import annotations

import re
from typing import Final

from sipmessage import Request, Response

from bridge.errors import SdpError

ACCEPT: Final = ("Accept", "application/sdp")
"""What a refusal with 415 has to say (RFC 3261 section 21.4.13)."""

_BOUNDARY: Final = re.compile(r'boundary="?([^";]{1,70})"?', re.IGNORECASE)


def sdp_of(message: Request | Response) -> bytes:
    """
    Give the session description; empty where the message has no body.

    A body of several parts (RFC 5621) may hold it beside what trunks and emergency services add.

    Raises:
        SdpError: 415, the body is something else.

    """
    kind = (message.headers.get("Content-Type") or "application/sdp").strip()
    name = kind.partition(";")[0].strip().lower()
    if not message.body or name == "application/sdp":
        return message.body
    boundary = _BOUNDARY.search(kind)
    if name.startswith("multipart/") and boundary is not None:
        for part in message.body.split(b"--" + boundary[1].encode()):
            head, _, body = part.partition(b"\r\n\r\n")
            if re.search(rb"(?im)^content-type\s*:\s*application/sdp\b", head):
                return body
    raise SdpError(f"the body is {name[:40]}, not application/sdp", status=415)
