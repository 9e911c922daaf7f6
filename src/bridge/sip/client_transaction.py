"""Requests of ours until their final response (RFC 3261 section 17.1, RFC 6026 section 7.2)."""

from __future__ import annotations

from math import inf
from typing import Final

from sipmessage import Request, Response

from bridge.sip.hop import Hop
from bridge.sip.message import encode
from bridge.sip.outputs import Answered, Output, TimedOut
from bridge.sip.timing import Timing
from bridge.sip.transaction import State, Transaction


class ClientInvite(Transaction):
    """
    An INVITE of ours: figure 5, with the Accepted state of RFC 6026.

    Attributes:
        request: The INVITE as sent.

    """

    def __init__(self, key: str, request: Request, hop: Hop, timing: Timing) -> None:
        super().__init__(key, hop, timing)
        self.request: Final = request
        self._message = encode(request)
        self._longest_wait_s = inf  # timer A knows no T2 (section 17.1.1.2)
        self._ack: bytes = b""
        self._cancel_wanted = False
        self._cancel_sent = False

    @property
    def has_final(self) -> bool:
        """Whether its owner knows how it ended."""
        return self.state not in {State.CALLING, State.PROCEEDING}

    @property
    def may_cancel(self) -> bool:
        """Whether the CANCEL goes out now: it waits for a provisional response (section 9.1)."""
        return self._cancel_wanted and not self._cancel_sent and self.state is State.PROCEEDING

    def start(self, now_s: float) -> list[Output]:
        self.state = State.CALLING
        self._end_s = now_s + self._timing.timer_b_s
        if not self.hop.is_reliable:
            self._repeat_from(now_s, self._timing.t1_s)  # timer A
        return self._transmit(self._message)

    def receive(self, response: Response, hop: Hop, now_s: float) -> list[Output]:
        if self.state is State.COMPLETED:
            return self._transmit(self._ack) if response.code >= 300 else []
        told: list[Output] = [Answered(self.key, response, hop)]
        if self.state is State.ACCEPTED:
            return told if 200 <= response.code < 300 else []
        if response.code < 200:
            if self.state is State.CALLING:
                self._rest(State.PROCEEDING, None)  # rings for as long as its owner likes
            return told
        if response.code < 300:
            self._rest(State.ACCEPTED, now_s + self._timing.timer_m_s)
            return told
        self._ack = encode(related_request(self.request, "ACK", to=response.headers["To"]))
        outputs = [*self._transmit(self._ack), *told]
        self._rest_unless_reliable(State.COMPLETED, now_s, self._timing.timer_d_s)
        return outputs

    def give_up(self) -> None:
        """Want it cancelled."""
        self._cancel_wanted = True

    def cancel_sent(self, now_s: float) -> Request:
        """Make the CANCEL; from now on the INVITE has 64·T1 to end (section 9.1)."""
        self._cancel_sent = True
        self._end_s = now_s + self._timing.timer_b_s
        return related_request(self.request, "CANCEL", to=self.request.headers["To"])

    def _on_end(self, now_s: float) -> list[Output]:  # noqa: ARG002
        return [] if self.has_final else [TimedOut(self.key)]


class ClientRequest(Transaction):
    """Any other request of ours: figure 6."""

    def __init__(self, key: str, request: Request, hop: Hop, timing: Timing) -> None:
        super().__init__(key, hop, timing)
        self._message = encode(request)

    @property
    def has_final(self) -> bool:
        """Whether its owner knows how it ended."""
        return self.state not in {State.TRYING, State.PROCEEDING}

    def start(self, now_s: float) -> list[Output]:
        self.state = State.TRYING
        self._end_s = now_s + self._timing.timer_f_s
        if not self.hop.is_reliable:
            self._repeat_from(now_s, self._timing.t1_s)  # timer E
        return self._transmit(self._message)

    def receive(self, response: Response, hop: Hop, now_s: float) -> list[Output]:
        if self.state is State.COMPLETED:
            return []
        if response.code < 200:
            self.state = State.PROCEEDING
            self._interval_s = self._timing.t2_s  # from the next copy on (section 17.1.2.2)
        else:
            self._rest_unless_reliable(State.COMPLETED, now_s, self._timing.timer_k_s)
        return [Answered(self.key, response, hop)]

    def _on_end(self, now_s: float) -> list[Output]:  # noqa: ARG002
        return [] if self.has_final else [TimedOut(self.key)]


def related_request(request: Request, method: str, *, to: str) -> Request:
    """
    Make the ACK (section 17.1.1.3) or CANCEL (section 9.1) that belongs to an INVITE of ours.

    Args:
        request: The INVITE; its URI, top Via, Route, From, Call-ID and number are the same.
        method: ``ACK`` or ``CANCEL``.
        to: As it stands in the response that is acknowledged, or in the INVITE that is cancelled.

    """
    related = Request(method=method, uri=request.uri)
    headers = related.headers
    headers.set("Via", str(request.headers.getlist("Via")[0]))
    if routes := request.headers.getlist("Route"):
        headers.setlist("Route", list(routes))
    headers.set("Max-Forwards", "70")
    headers.set("From", request.headers["From"])
    headers.set("To", to)
    headers.set("Call-ID", request.headers["Call-ID"])
    headers.set("CSeq", f"{request.cseq.sequence} {method}")
    return related
