"""Requests of others until everybody knows how they ended (RFC 3261 section 17.2, RFC 6026 section 7.1)."""

from __future__ import annotations

from typing import Final

from sipmessage import Request, Response

from bridge.sip.hop import Hop
from bridge.sip.message import encode, response_to, tag_of
from bridge.sip.outputs import Acked, Output, Unacked
from bridge.sip.timing import Timing
from bridge.sip.transaction import State, Transaction

TRYING_AFTER_S: Final = 0.2
"""An INVITE that nobody has answered by then gets its 100 (RFC 3261 section 17.2.1)."""


class ServerInvite(Transaction):
    """
    An INVITE of somebody's: figure 7, with the Accepted state of RFC 6026.

    The 2xx, too, is repeated here until its ACK has come, over every transport: a proxy on the way may
    use another (RFC 3261 section 13.3.1.4).

    Attributes:
        to_tag: Our tag as last sent, so that the answer to a CANCEL can have the same (section 9.2).
        was_cancelled: Whether its owner has been told of a CANCEL.

    """

    def __init__(self, key: str, request: Request, hop: Hop, timing: Timing, now_s: float) -> None:
        super().__init__(key, hop, timing)
        self.state = State.PROCEEDING
        self.to_tag: str | None = None
        self.was_cancelled = False
        self._request: Final = request
        self._is_acked = False
        self._repeat_from(now_s, TRYING_AFTER_S)

    def copy(self, now_s: float) -> list[Output]:
        """The same INVITE has come again."""
        if self.state is State.PROCEEDING:
            return self._transmit(self._message) if self._message else self._on_repeat(now_s)
        return self._transmit(self._message) if self.state is State.COMPLETED else []

    def respond(self, response: Response, now_s: float) -> list[Output]:
        if self.state is not State.PROCEEDING:
            return []
        self._message = encode(response)
        self.to_tag = tag_of(response.headers.get("To"))
        self._repeat_s = None
        if response.code < 200:
            return self._transmit(self._message)
        timing = self._timing
        if response.code < 300:
            self._rest(State.ACCEPTED, now_s + timing.timer_l_s)
            self._repeat_from(now_s, timing.t1_s)
        else:
            self._rest(State.COMPLETED, now_s + timing.timer_h_s)
            if not self.hop.is_reliable:
                self._repeat_from(now_s, timing.t1_s)  # timer G
        return self._transmit(self._message)

    def ack(self, request: Request, hop: Hop, now_s: float) -> list[Output]:
        """An ACK with this INVITE's branch: of a refusal, or of a 2xx if the peer kept the branch."""
        if self.state is State.ACCEPTED:
            return [Acked(request, hop)]
        if self.state is State.COMPLETED:
            self._is_acked = True
            self._rest_unless_reliable(State.CONFIRMED, now_s, self._timing.timer_i_s)
        return []

    def acked(self) -> None:
        """The dialog has seen the ACK of our 2xx; copies of the INVITE are still swallowed until timer L."""
        if self.state is State.ACCEPTED:
            self._is_acked = True
            self._repeat_s = None

    def _on_repeat(self, now_s: float) -> list[Output]:
        if self.state is State.PROCEEDING:
            self._repeat_s = None
            self._message = encode(response_to(self._request, 100))
            return self._transmit(self._message)
        return super()._on_repeat(now_s)

    def _on_end(self, now_s: float) -> list[Output]:  # noqa: ARG002
        return [] if self._is_acked else [Unacked(self.key)]


class ServerRequest(Transaction):
    """
    Any other request of somebody's: figure 8.

    One that its owner never answers is forgotten when the peer, too, has given up (RFC 4320 section 4.2).
    """

    def __init__(self, key: str, hop: Hop, timing: Timing, now_s: float) -> None:
        super().__init__(key, hop, timing)
        self._rest(State.TRYING, now_s + timing.timer_f_s)

    def copy(self, now_s: float) -> list[Output]:  # noqa: ARG002 - as ServerInvite has it
        """The same request has come again."""
        return self._transmit(self._message) if self._message else []

    def respond(self, response: Response, now_s: float) -> list[Output]:
        if self.state is State.COMPLETED:
            return []
        self._message = encode(response)
        outputs = self._transmit(self._message)
        if response.code < 200:
            self.state = State.PROCEEDING
        else:
            self._rest_unless_reliable(State.COMPLETED, now_s, self._timing.timer_j_s)
        return outputs
