"""
Corrections to ``sipmessage``, made once on import.

A *host name* there may have no digit in its last label, so that ``pbx1`` or the name of a container is
refused as a whole message; RFC 3261 section 25.1 allows it (``toplabel``), and names that begin with a
digit or hold an underscore are met on private networks every day. A *quoted string* there runs on to the
last quote of the line, so that two quoted contacts become one; section 25.1 ends it at the first quote
without a backslash. *Parameters* there lose their escapes when read and get others when written, so that
a tag, branch or route of a peer comes back to it changed; here they stay as they were written. What cannot
be *read* there raises one exception object for all, whose traceback every raise makes longer: whoever sends
nonsense would fill our memory. Here each time has an exception of its own. The pattern of a *tel URI* there
goes over its digits again for each of them, seconds for a datagram; here once. A Via's ``received`` there
takes an IPv6 address in brackets only; section 25.1 and RFC 5118 section 4.5 have it bare, as do peers.
"""

from __future__ import annotations

import re
from typing import Final

from sipmessage import address, grammar, mediatype, parameters, uri, via

_LABELS: Final = r"[A-Za-z0-9](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?\.?"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_IPV6: Final = r"[0-9A-Fa-f:.]{0,45}:[0-9A-Fa-f:.]{1,45}"
_TEL_URI: Final = re.compile(
    r"^(?P<scheme>tel):"
    r"(?P<subscriber>(?=[^;]*[0-9])\+[0-9.()\-]+|(?=[^;]*[0-9a-fA-F*#])[0-9a-fA-F*#.()\-]+)"
    f"(?P<parameters>(?:;{grammar.URI_PARAM})*)$"
)


def _corrected(pattern: re.Pattern[str]) -> re.Pattern[str]:
    # ``#`` in a user, and ``=`` in a parameter's value, stand in many phones' addresses without an escape.
    user, value = grammar.cset(grammar.C_USER_SAFE), f"(?:={grammar.URI_PARAMCHAR}+)?"
    either = f"(?:{_IPV6}|{grammar.GENERIC_VALUE})"
    source = (
        pattern.pattern
        if _IPV6 in pattern.pattern
        else pattern.pattern.replace(grammar.GENERIC_VALUE, either)
    )
    source = source.replace(f"(?:{user}|", f"(?:{grammar.cset(grammar.C_USER_SAFE + '#')}|")
    source = source.replace(value, f"(?:=(?:{grammar.URI_PARAMCHAR}|[=?])*)?")
    source = source.replace("(?P<scheme>sip|sips)", "(?P<scheme>(?i:sips?))")
    source = source.replace(grammar.HOSTNAME, _LABELS)
    return re.compile(source.replace(grammar.QUOTED_STRING, _QUOTED))


class AddressUnreadable(ValueError):
    """An address header is none."""


class MediaTypeUnreadable(ValueError):
    """A Content-Type is none."""


class ViaUnreadable(ValueError):
    """A Via is none."""


def correct() -> None:
    """Put all of it right; doing it twice changes nothing."""
    uri.SIP_URI_PATTERN = _corrected(uri.SIP_URI_PATTERN)
    via.VIA_PATTERN = _corrected(via.VIA_PATTERN)
    uri.TEL_URI_PATTERN = _TEL_URI
    vars(parameters).update(quote=str, unquote=str)
    address.ADDRESS_PATTERNS[:] = [_corrected(pattern) for pattern in address.ADDRESS_PATTERNS]
    # ``raise`` makes an object of a class, and takes an object as it is.
    vars(address).update(ADDRESS_EXCEPTION=AddressUnreadable)
    vars(mediatype).update(MEDIATYPE_EXCEPTION=MediaTypeUnreadable)
    vars(via).update(VIA_EXCEPTION=ViaUnreadable)
