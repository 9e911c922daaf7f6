"""Who may call and who may register: by address, by trunk, or by digest (RFC 3261 section 22)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sipmessage import Request

from bridge.carrier.sip.plan import Plan
from bridge.masking import mask_number
from bridge.sip.digest import Brake, Challenger
from bridge.sip.hop import Hop

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What is to become of a request.

    Attributes:
        status: 0 to go on, else the SIP status of the refusal.
        headers: What the refusal says besides, e.g. a challenge.
        caller: The phone's user, where somebody proved to be one.
        reason: For the log.

    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    caller: str = ""
    reason: str = ""


class Gatekeeper:
    """
    Lets calls and registrations in, or not.

    Args:
        plan: The phones, trunks and networks.
        challenger: Makes challenges and judges their answers.
        ha1_of: The stored hash of a user's password.

    """

    def __init__(self, plan: Plan, challenger: Challenger, ha1_of: Callable[[str], str | None]) -> None:
        self._plan: Final = plan
        self._challenger: Final = challenger
        self._ha1_of: Final = ha1_of
        self._brake: Final = Brake()

    def judge_call(self, request: Request, hop: Hop, now_s: float) -> Decision:
        """
        Decide over an INVITE.

        A trunk is known by its address. Who says to be one of our phones must prove it, wherever it calls
        from; everybody else must be in an allowed network.
        """
        if self._plan.trunk_at(hop.host) is not None:
            return Decision(0)
        user = request.from_address.uri.user or ""
        if self._ha1_of(user) is not None or request.headers.get("Proxy-Authorization"):
            return self._judge(request, hop, now_s, status=407, user=user)
        if self._plan.may_call(hop.host):
            return Decision(0)
        if self._plan.phones:
            # Perhaps a phone that calls under another name: it may still prove itself.
            return self._judge(request, hop, now_s, status=407, user=user)
        return Decision(403, reason="its address is in none of the networks that may call")

    def judge_registration(self, request: Request, hop: Hop, now_s: float) -> Decision:
        """Decide over a REGISTER: always by digest, and only for oneself."""
        user = request.to_address.uri.user or ""
        if not self._plan.phones:
            return Decision(403, reason="no phones are configured")
        decision = self._judge(request, hop, now_s, status=401, user=user)
        if decision.status == 0 and decision.caller != user:
            log.warning("%s tries to register another user", hop.host)
            return Decision(403, reason="a phone may only register itself")
        return decision

    def _judge(self, request: Request, hop: Hop, now_s: float, *, status: int, user: str) -> Decision:
        wait_s = self._brake.wait_s(hop.host, user, now_s)
        if wait_s > 0:
            return Decision(503, (("Retry-After", str(int(wait_s) + 1)),), reason="too many wrong passwords")
        name = "Authorization" if status == 401 else "Proxy-Authorization"
        verdict = self._challenger.judge(
            self._challenger.own(request.headers.getlist(name)),
            method=request.method,
            uri=str(request.uri),
            now_s=now_s,
            ha1_of=self._ha1_of,
            source=hop.host,
        )
        if verdict.result == "ok":
            self._brake.ok(hop.host, user)
            return Decision(0, caller=verdict.username or "")
        if verdict.result == "wrong":
            self._brake.failed(hop.host, user, now_s)
            name = verdict.username or user
            fault = "no phone is called" if self._ha1_of(name) is None else "a wrong password for phone"
            shown = mask_number(name[:40]) if name.isprintable() else "?"
            log.warning("a login from %s is refused: %s %s", hop.host, fault, shown)
            return Decision(403, reason="wrong password")
        challenge = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        headers = tuple(
            (challenge, value)
            for value in self._challenger.challenges(now_s, stale=verdict.result == "stale", source=hop.host)
        )
        return Decision(status, headers, reason="a password is asked for")
