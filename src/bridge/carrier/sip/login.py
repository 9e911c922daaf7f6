"""Name and password for whoever challenges us, and the answer to a challenge."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

from sipmessage import Request, Response

from bridge.errors import DigestUnsupported
from bridge.sip.digest import Credentials, best_challenge

log = logging.getLogger(__name__)

_WAYS: Final = {
    401: ("WWW-Authenticate", "Authorization"),
    407: ("Proxy-Authenticate", "Proxy-Authorization"),
}


def can_be_answered(response: Response) -> bool:
    """Whether a response is no challenge, or one whose kind of login is known here."""
    names = _WAYS.get(response.code)
    return names is None or best_challenge(response.headers.getlist(names[0])) is not None


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for one peer (RFC 3261 section 22)."""

    username: str
    password: str = field(repr=False)

    def answer(self, request: Request, challenge: Response, *, count: int = 1) -> bool:
        """
        Put the answer to a challenge on a request; false where it cannot be answered.

        Args:
            request: Gets the header.
            challenge: The 401 or 407, of this request or an earlier one.
            count: How many requests it has been the answer to, with this one.

        """
        names = _WAYS.get(challenge.code)
        if names is None:
            return False
        value = best_challenge(challenge.headers.getlist(names[0]))
        if value is None:
            return False
        try:
            answer = Credentials(self.username, self.password).answer(
                value, method=request.method, uri=str(request.uri), body=request.body, count=count
            )
        except DigestUnsupported as error:
            log.warning("a challenge cannot be answered: %s", error)
            return False
        request.headers.set(names[1], answer)
        return True
