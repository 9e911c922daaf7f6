"""
Four corrections to ``sipmessage``, made once on import.

A *host name* there may have no digit in its last label, so that ``pbx1`` or the name of a container is
refused as a whole message; RFC 3261 section 25.1 allows it (``toplabel``), and names that begin with a
digit or hold an underscore are met on private networks every day. A *quoted string* there runs on to the
last quote of the line, so that two quoted contacts become one; section 25.1 ends it at the first quote
without a backslash. *Parameters* there lose their escapes when read and get others when written, so that
a tag, branch or route of a peer comes back to it changed; here they stay as they were written. What cannot
be *read* there raises one exception object for all, whose traceback every raise makes longer: whoever sends
nonsense would fill our memory. Here each time has an exception of its own.
"""

from __future__ import annotations

import re
from typing import Final

from sipmessage import address, grammar, mediatype, parameters, uri, via

_LABELS: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?\.?"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'


def _corrected(pattern: re.Pattern[str]) -> re.Pattern[str]:
    source = pattern.pattern.replace(grammar.HOSTNAME, _LABELS)
    return re.compile(source.replace(grammar.QUOTED_STRING, _QUOTED))


class AddressUnreadable(ValueError):
    """An address header is none."""


class MediaTypeUnreadable(ValueError):
    """A Content-Type is none."""


class ViaUnreadable(ValueError):
    """A Via is none."""


def correct() -> None:
    """Put all four right; doing it twice changes nothing."""
    uri.SIP_URI_PATTERN = _corrected(uri.SIP_URI_PATTERN)
    via.VIA_PATTERN = _corrected(via.VIA_PATTERN)
    vars(parameters).update(quote=str, unquote=str)
    address.ADDRESS_PATTERNS[:] = [_corrected(pattern) for pattern in address.ADDRESS_PATTERNS]
    # ``raise`` makes an object of a class, and takes an object as it is.
    vars(address).update(ADDRESS_EXCEPTION=AddressUnreadable)
    vars(mediatype).update(MEDIATYPE_EXCEPTION=MediaTypeUnreadable)
    vars(via).update(VIA_EXCEPTION=ViaUnreadable)
