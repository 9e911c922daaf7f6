"""Who is registered with the carrier and which trunks are up, as ``GET /phones`` tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from bridge.masking import mask_number

_NUMBER: Final = re.compile(r"\+\d+|\d{7,}", re.ASCII)
"""Shorter digits are extensions: nobody outside can call them, and hidden they would tell nothing apart."""


@dataclass(frozen=True, slots=True)
class RosterPhone:
    """
    One place where a user can be reached; a user may have several.

    Attributes:
        user: Its name in ``[[phones]]``.
        contact: The URI it gave as its address.
        transport: ``udp``, ``tcp`` or ``tls``.
        user_agent: What it calls itself; may be empty.
        expires_in_s: Seconds until it must have registered again.

    """

    user: str
    contact: str
    transport: str
    user_agent: str
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class RosterTrunk:
    """
    One trunk.

    Attributes:
        name: Its name in ``[[trunks]]``.
        state: ``starting``; ``registered``: it took our registration; ``reachable``: it answers, and wants no
            registration; ``failed``.
        reason: Why it failed, else empty.

    """

    name: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody; also the JSON of the answer, field by field."""

    phones: tuple[RosterPhone, ...] = ()
    trunks: tuple[RosterTrunk, ...] = ()

    def masked(self) -> Roster:
        """Hide numbers and SIP users, and drop what a terminal would act upon: peers wrote some of it."""
        return Roster(
            tuple(
                replace(
                    phone,
                    user=mask_number(phone.user) if _NUMBER.fullmatch(phone.user) else phone.user,
                    contact=_shown(phone.contact),
                    user_agent=_shown(phone.user_agent),
                )
                for phone in self.phones
            ),
            tuple(replace(trunk, reason=_shown(trunk.reason)) for trunk in self.trunks),
        )


def _shown(text: str) -> str:
    return mask_number("".join(letter for letter in text if letter.isprintable()))
