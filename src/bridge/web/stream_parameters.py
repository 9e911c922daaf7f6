"""What our TwiML tells a stream in ``<Parameter>``, and how ``start`` is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.mediastream.messages import StartBody
from bridge.session.facts import CallFacts
from bridge.web.token import TOKEN_PARAMETER

PREFIX: Final = "bridge_"
"""Parameters with this prefix are ours; sinks never see them and requests may not set them."""

_FROM: Final = "bridge_from"
_TO: Final = "bridge_to"
_DIRECTION: Final = "bridge_direction"
_MAX_ADDRESS_CHARACTERS: Final = 400


def stream_parameters(
    *, token: str, from_: str, to: str, placed: bool, own: Mapping[str, str] | None = None
) -> dict[str, str]:
    """
    The parameters of one call's stream: who talks to whom, the token, and the caller's own ones.

    A stream's ``start`` names the call but not its ends, so they travel here; it survives a restart.
    """
    return {
        **(own or {}),
        _FROM: from_[:_MAX_ADDRESS_CHARACTERS],
        _TO: to[:_MAX_ADDRESS_CHARACTERS],
        _DIRECTION: "placed" if placed else "incoming",
        TOKEN_PARAMETER: token,
    }


def read_facts(start: StartBody) -> CallFacts:
    """Who talks to whom, from ``start``; a stream that is not ours says nothing and that is fine."""
    given = start.customParameters
    return CallFacts(
        sid=start.callSid,
        from_=given.get(_FROM, ""),
        to=given.get(_TO, ""),
        direction="placed" if given.get(_DIRECTION) == "placed" else "incoming",
        parameters={name: value for name, value in given.items() if not name.startswith(PREFIX)},
    )
