"""
One call on the carrier: its states, its times, what went wrong, and what may be asked of it from outside.

============= ============================================================ =========================
state         next                                                         meaning
============= ============================================================ =========================
queued        ringing, in-progress, busy, failed, no-answer, canceled      waits for its turn to dial
ringing       in-progress, busy, failed, no-answer, canceled               the phone rings
in-progress   completed                                                    answered
the others    none                                                         over
============= ============================================================ =========================

``initiated`` exists in callbacks only. Source: https://www.twilio.com/docs/voice/api/call-resource.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections import deque
from datetime import datetime
from typing import Final, Literal

from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.stream.client import StreamOutcome
from bridge.errors import CallEnded

Status = Literal["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]
Direction = Literal["inbound", "outbound-api", "outbound-dial"]

NEXT: Final[dict[Status, frozenset[Status]]] = {
    "queued": frozenset({"ringing", "in-progress", "busy", "failed", "no-answer", "canceled"}),
    "ringing": frozenset({"in-progress", "busy", "failed", "no-answer", "canceled"}),
    "in-progress": frozenset({"completed"}),
    "completed": frozenset(),
    "busy": frozenset(),
    "failed": frozenset(),
    "no-answer": frozenset(),
    "canceled": frozenset(),
}

MAX_ALERTS: Final = 100
"""What is kept of one call's warnings; the oldest go first."""

_STREAMS_KEPT: Final = 20

log = logging.getLogger(__name__)


def new_sid(prefix: str) -> str:
    """Make up a SID: the prefix and 32 random hexadecimal digits."""
    return prefix + secrets.token_hex(16)


class Alert:
    """An entry of what Twilio calls its Debugger: a code (``None`` if only this carrier says it), a text."""

    __slots__ = ("code", "message")

    def __init__(self, code: int | None, message: str) -> None:
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.code}: {self.message}"


class CarrierCall:
    """
    One call and its life so far.

    Attributes:
        sid: ``CA…``.
        status: See the table above.
        parent_sid: The call whose ``<Dial>`` made this one; ``None`` for any other.
        request: What was asked for; ``status_callback`` and ``time_limit_s`` may be replaced by an update.
        created: When it was asked for, like all times here in UTC.
        updated: When anything about it last changed.
        started: When dialling began, or for incoming calls when they came; ``None`` before.
        answered: When it was answered.
        ended: When it ended.
        queue_ms: How long it waited for its turn.
        sip_status: The final SIP status of dialling; 200 for an answered call.
        answered_by: The result of machine detection, if it was asked for.
        callbacks_sent: How many status callbacks were sent, which is the next one's ``SequenceNumber``.
        streams: How the call's media streams went, in their order.
        alerts: What was warned about, oldest first.
        orders: What somebody outside wants of it.
        finished: Set once it is over and its last callback is on its way.

    """

    def __init__(
        self,
        request: CallRequest,
        *,
        account_sid: str,
        direction: Direction,
        created: datetime,
        parent_sid: str | None = None,
    ) -> None:
        self.sid: Final = new_sid("CA")
        self.account_sid: Final = account_sid
        self.direction: Final = direction
        self.parent_sid: Final = parent_sid
        self.request = request
        self.status: Status = "queued"
        self.created: Final = created
        self.updated = created
        self.started: datetime | None = None
        self.answered: datetime | None = None
        self.ended: datetime | None = None
        self.queue_ms = 0
        self.sip_status: int | None = None
        self.answered_by: str | None = None
        self.callbacks_sent = 0
        self.streams: deque[StreamOutcome] = deque(maxlen=_STREAMS_KEPT)
        self.alerts: deque[Alert] = deque(maxlen=MAX_ALERTS)
        self.orders: Final = Orders()
        self.finished: Final = asyncio.Event()

    @property
    def over(self) -> bool:
        """Whether the call has ended, however."""
        return not NEXT[self.status]

    @property
    def duration_s(self) -> int | None:
        """Seconds from answer to end, begun ones counted whole; ``None`` while it lasts or if unanswered."""
        if self.answered is None or self.ended is None:
            return None
        return max(1, math.ceil((self.ended - self.answered).total_seconds()))

    def move(self, status: Status, now: datetime) -> None:
        """
        Go on to the next state.

        Raises:
            CallEnded: The state the call is in does not lead there.

        """
        if status not in NEXT[self.status]:
            raise CallEnded(f"a call that is {self.status} cannot become {status}")
        self.status = status
        self.updated = now
        if status == "in-progress":
            self.answered = now
            self.sip_status = 200
        if self.over:
            self.ended = now

    def warn(self, code: int | None, message: str) -> None:
        """Note something Twilio would put into its Debugger, and log it with the link that explains it."""
        self.alerts.append(Alert(code, message))
        extra = {"call_sid": self.sid}
        if code is None:
            log.warning("call %s: %s", self.sid, message, extra=extra)
        else:
            link = f"https://www.twilio.com/docs/api/errors/{code}"
            log.warning("call %s: %d %s (%s)", self.sid, code, message, link, extra=extra)


class Orders:
    """
    What somebody outside wants of a call: that it end, or run another document.

    Attributes:
        end: Set once the call is to end.
        answered: Set once it is answered.
        limit_changed: Set when its time limit was replaced.

    """

    def __init__(self) -> None:
        self.end: Final = asyncio.Event()
        self.answered: Final = asyncio.Event()
        self.limit_changed: Final = asyncio.Event()
        self._document: Document | None = None
        self._given = asyncio.Event()

    def redirect(self, document: Document) -> None:
        """Replace what the call runs; the last one given wins."""
        self._document = document
        self._given.set()

    async def redirected(self) -> Document:
        """Wait for the next document."""
        while self._document is None:
            self._given.clear()
            await self._given.wait()
        document, self._document = self._document, None
        return document
