"""One registered contact."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.sip.hop import Hop


@dataclass(frozen=True, slots=True)
class Binding:
    """
    Where a user can be reached (RFC 3261 section 10).

    Attributes:
        contact: The Contact's URI as the phone wrote it; the Request-URI of a call to it.
        hop: Where its REGISTER came from, and so where a call is sent: the Contact of a phone behind a router
            names an address nobody can reach.
        expires_s: When it ends, on the clock of ``now_s``.
        call_id: Of the REGISTER; its requests are in the order of ``cseq``.
        cseq: Number of that request.
        user_agent: What the phone calls itself; empty if it does not say.
        q: The phone's own preference among its contacts, 0 to 1; higher first.
        instance: Names the device across restarts (RFC 5626 section 4.1); empty if it does not say.

    """

    contact: str
    hop: Hop
    expires_s: float
    call_id: str
    cseq: int
    user_agent: str = ""
    q: float = 1.0
    instance: str = ""

    def left_s(self, now_s: float) -> int:
        """Whole seconds until it ends."""
        return max(0, round(self.expires_s - now_s))
