"""Digest authentication, both halves: RFC 7616 and RFC 2617, as RFC 3261 section 22 uses them."""

from __future__ import annotations

from bridge.sip.brake import Brake
from bridge.sip.digest_answer import Credentials, best_challenge
from bridge.sip.digest_challenge import Challenger, Verdict
from bridge.sip.digest_value import ha1

__all__ = ["Brake", "Challenger", "Credentials", "Verdict", "best_challenge", "ha1"]
