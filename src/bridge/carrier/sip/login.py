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


@dataclass(frozen=True, slots=True)
class Login:
    """Credentials for one peer (RFC 3261 section 22)."""

    username: str
    password: str = field(repr=False)

    def answer(self, request: Request, challenge: Response) -> bool:
        """Put the answer to a challenge on a request; false where it cannot be answered."""
        names = _WAYS.get(challenge.code)
        if names is None:
            return False
        value = best_challenge(challenge.headers.getlist(names[0]))
        if value is None:
            return False
        try:
            answer = Credentials(self.username, self.password).answer(
                value, method=request.method, uri=str(request.uri), body=request.body
            )
        except DigestUnsupported as error:
            log.warning("a challenge cannot be answered: %s", error)
            return False
        request.headers.set(names[1], answer)
        return True
