"""Which phone an address rings. Here all of them are made of WAV files; anything else does not exist."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.phone.leg import Answer, Leg
from bridge.carrier.phone.wav_phone import ANSWERS, WavPhone
from bridge.clock import Clock
from bridge.masking import mask_number

DEMO_NUMBER: Final = "+12025550123"
"""A number from the range that is kept for fiction; it rings the demo phone."""

CALLER_NUMBER: Final = "+15005550006"
"""The ``From`` that is always valid, as with Twilio's test credentials."""

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

PHONES: Final[dict[str, Answer]] = {
    "demo": ANSWERS["answered"],
    "busy": ANSWERS["busy"],
    "declined": ANSWERS["declined"],
    "noanswer": ANSWERS["no-answer"],
    "unreachable": ANSWERS["unreachable"],
}
"""The users at ``localhost``, and how their phones answer."""

_SIP: Final = re.compile(
    r"sips?:(?P<user>[^@;?]+)@(?P<host>\[[0-9a-fA-F:.]+\]|[^:;?\[\]]+)(?::\d{1,5})?(?:[;?].*)?", re.IGNORECASE
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routes:
    """
    The carrier's numbering plan.

    Attributes:
        spoken: What the demo phone says, μ-law at 8 kHz.
        clock: Times the ringing.
        recordings_dir: Where phones keep what they hear; ``None`` for nowhere.
        ring_s: How long phones ring before they answer.
        hang_up_after_s: How long after its last word the demo phone hangs up.

    """

    spoken: bytes
    clock: Clock
    recordings_dir: Path | None = None
    ring_s: float = 1.0
    hang_up_after_s: float = 3.0

    def find_leg(self, call: CarrierCall) -> Leg | None:
        """Give the phone a call is for, or ``None`` with a warning in the log."""
        name = phone_name(call.request.to)
        if name is None:
            log.warning(
                "call %s: nobody is at %s. sip:demo@localhost and %s ring the demo phone; [[phones]] and"
                " [[trunks]] in bridge.toml say who else can be reached",
                call.sid,
                mask_number(call.request.to.partition("?")[0]),
                DEMO_NUMBER,
                extra={"call_sid": call.sid},
            )
            return None
        return WavPhone(
            self.spoken,
            clock=self.clock,
            record_path=self._record_path(call, name),
            ring_s=self.ring_s,
            answer=PHONES[name],
            hang_up_after_s=self.hang_up_after_s,
        )

    def _record_path(self, call: CarrierCall, name: str) -> Path | None:
        if self.recordings_dir is None or PHONES[name].result != "answered":
            return None
        return self.recordings_dir / f"{call.created:%Y%m%dT%H%M%SZ}-{call.sid}-phone.wav"


def phone_name(address: str) -> str | None:
    """Say which of the phones an address means; ``None`` if none."""
    if address == DEMO_NUMBER:
        return "demo"
    if address.lower().startswith("client:"):
        name = address[len("client:") :]
    else:
        found = _SIP.fullmatch(address)
        if found is None or found["host"].lower() not in LOCAL_HOSTS:
            return None
        name = found["user"]
    return name.lower() if name.lower() in PHONES else None
