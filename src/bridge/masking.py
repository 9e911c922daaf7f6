"""Phone numbers and names as logs may show them: enough to recognise, too little to call."""

from __future__ import annotations

import re
from typing import Final

_DOTS: Final = "•••"
_ADDRESS: Final = re.compile(
    r"(?P<scheme>\bsips?:)(?P<user>[^@\s<>\"]{1,255})@"  # greedy: parameters of the user part go as well
    r"|(?P<client>\bclient:)(?P<name>[^\s?<>\"]+)"
    r"|\+(?P<number>\d(?:[ .()/-]{0,2}\d){4,})",
    re.ASCII | re.IGNORECASE,
)
_BARE_NUMBER: Final = re.compile(r"[\d .()/-]*\d[\d .()/-]*", re.ASCII)


def mask_number(text: str) -> str:
    """
    Hide the middle of every phone number, and all but the first letter of every SIP user and client name.

    ``+12025550123`` becomes ``+1202•••0123``, ``sip:jong-un@sip.linphone.org`` becomes
    ``sip:j•••@sip.linphone.org``. The number of dots says nothing about what they stand for.

    Args:
        text: An address, or any text with addresses in it. Digits without a ``+`` are taken for a phone
            number only if the text is nothing else, because SIDs, times and counters are digits too.

    Returns:
        The text; what is masked already stays as it is.

    """
    if _BARE_NUMBER.fullmatch(text):
        return _mask_digits(text)
    return _ADDRESS.sub(_mask_address, text)


def _mask_address(found: re.Match[str]) -> str:
    if number := found["number"]:
        return f"+{_mask_digits(number)}"
    if client := found["client"]:
        return client + _mask_name(found["name"])
    user = found["user"].partition(":")[0]  # what follows would be a password
    bare = user.removeprefix("+")
    if _BARE_NUMBER.fullmatch(bare):
        return f"{found['scheme']}{user[: -len(bare)]}{_mask_digits(bare)}@"
    return f"{found['scheme']}{_mask_name(user)}@"


def _mask_digits(number: str) -> str:
    """Hide at least three digits; show four at either end where there are enough."""
    digits = re.sub(r"\D", "", number)
    shown = max(0, min(8, len(digits) - 3))
    back = shown // 2
    return digits[: shown - back] + _DOTS + digits[len(digits) - back :]


def _mask_name(name: str) -> str:
    return name[: len(name) > 1] + _DOTS
