"""Sockets and transactions together: requests out, requests in, and the one timer behind them."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from sipmessage import URI, Address, Request, Response

from bridge.carrier.sip.sockets import Sockets, Spawn
from bridge.clock import Clock
from bridge.errors import MalformedSip
from bridge.sip.hop import Hop, bracketed
from bridge.sip.message import encode, new_branch, new_tag, response_to, top_via
from bridge.sip.parsing import parse
from bridge.sip.timing import Timing
from bridge.sip.transactions import (
    Acked,
    Answered,
    Cancelled,
    Failed,
    Incoming,
    Output,
    TimedOut,
    Transactions,
    Transmit,
    Unacked,
)

USER_AGENT: Final = "bridge"
ALLOW: Final = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REGISTER"

log = logging.getLogger(__name__)

Told = Callable[[Response | None], None]
"""Takes each response of one request; ``None``: there will be none, time or the way there is out."""


class Callee(Protocol):
    """Who is told what peers ask for."""

    def incoming(self, key: str, request: Request, hop: Hop) -> None:
        """A new request; it is answered by ``Endpoint.respond`` with its key."""
        ...

    def cancelled(self, key: str) -> None:
        """The INVITE of this key was given up by the caller."""
        ...

    def acked(self, request: Request) -> None:
        """The ACK to a 2xx."""
        ...

    def unacked(self, key: str) -> None:
        """Our final response to the INVITE of this key was never acknowledged."""
        ...

    def flow_lost(self, hop: Hop) -> None:
        """A connection has ended."""
        ...


class Endpoint:
    """
    One SIP port.

    Args:
        clock: Time.
        spawn: Starts tasks for connections and name look-ups.
        timing: RFC 3261's timers.
        client_tls: See ``Sockets``.

    """

    def __init__(
        self,
        *,
        clock: Clock,
        spawn: Spawn,
        timing: Timing | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.sockets: Final = Sockets(self._receive, self._lost, spawn=spawn, client_tls=client_tls)
        self.malformed = 0
        self._callee: Callee  # who needs an endpoint first, and comes with ``running``
        self._clock: Final = clock
        self._timing: Final = timing or Timing()
        self._transactions: Final = Transactions(self._timing)
        self._told: dict[str, Told] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0

    @asynccontextmanager
    async def running(
        self,
        callee: Callee,
        host: str,
        port: int,
        *,
        tls_port: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[None]:
        """Listen, and tell ``callee`` what comes. Raises ``OSError`` where a port is taken."""
        self._callee = callee
        try:
            await self.sockets.open(host, port, tls_port=tls_port, tls=tls)
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self.sockets.close()

    @property
    def live_transactions(self) -> int:
        """How many requests are unsettled, ours and others'."""
        return max(len(self._transactions), len(self._told))

    # Out

    def contact(self, user: str, hop: Hop) -> Address:
        """How that peer reaches one of our users."""
        host, port = self.sockets.address_toward(hop)
        uri = URI(scheme="sip", user=user or None, host=bracketed(host), port=port)
        if hop.transport != "udp":
            uri = URI.parse(f"{uri};transport={hop.transport}")
        return Address(uri=uri)

    def request(self, request: Request, hop: Hop, told: Told) -> str:
        """
        Send a request and have ``told`` take its responses; give the key to cancel it by.

        The request gets its Via here, so that the same one can be sent again with other credentials.
        """
        host, port = self.sockets.address_toward(hop)
        request.via = [top_via(hop, host, port, new_branch())]
        request.headers.set("User-Agent", USER_AGENT)
        request.content_length = len(request.body)
        key, outputs = self._transactions.request(request, hop, self._clock.now_s())
        self._told[key] = told
        self._carry_out(outputs)
        return key

    async def ask(self, request: Request, hop: Hop) -> Response | None:
        """Send a request other than INVITE and wait for its final response; ``None`` if there is none."""
        answered: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

        def told(response: Response | None) -> None:
            if not answered.done() and (response is None or response.code >= 200):
                answered.set_result(response)

        self.request(request, hop, told)
        return await answered

    def acknowledge(self, ack: Request, hop: Hop) -> None:
        """Send the ACK to a 2xx, outside any transaction (RFC 3261 section 13.2.2.4)."""
        host, port = self.sockets.address_toward(hop)
        ack.via = [top_via(hop, host, port, new_branch())]
        ack.content_length = len(ack.body)
        self.sockets.send(encode(ack), hop)

    def cancel(self, key: str) -> None:
        """Give an INVITE of ours up."""
        _, outputs = self._transactions.cancel(key, self._clock.now_s())
        self._carry_out(outputs)

    def respond(
        self,
        key: str,
        request: Request,
        code: int,
        *,
        phrase: str | None = None,
        to_tag: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        sdp: bytes = b"",
    ) -> Response:
        """Answer a request; give the response that was sent."""
        response = response_to(
            request,
            code,
            phrase,
            to_tag=to_tag,
            headers=[*headers, ("Server", USER_AGENT)],
            body=sdp,
            content_type="application/sdp" if sdp else None,
        )
        self.send_response(key, response)
        return response

    def send_response(self, key: str, response: Response) -> None:
        """Answer a request with a response that is built already."""
        self._carry_out(self._transactions.respond(key, response, self._clock.now_s()))

    def settled(self, key: str) -> None:
        """The 2xx of this INVITE was acknowledged: repeat it no more."""
        self._transactions.acked(key)

    # In

    def _receive(self, data: bytes, hop: Hop) -> None:
        try:
            message = parse(data)
        except MalformedSip as error:
            self._malformed(error, hop)
            return
        self._carry_out(self._transactions.receive(message, hop, self._clock.now_s()))

    def _malformed(self, error: MalformedSip, hop: Hop) -> None:
        self.malformed += 1
        if self.malformed.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …: a flood must not fill the log
            log.warning("malformed SIP from %s (the %dth): %s", hop.host, self.malformed, error)
        self._carry_out(self._transactions.refuse(error, hop))

    def _lost(self, hop: Hop) -> None:
        self._carry_out(self._transactions.transport_failed(hop, self._clock.now_s()))
        self._callee.flow_lost(hop)

    def _advance(self) -> None:
        self._timer = None
        self._carry_out(self._transactions.advance(self._clock.now_s()))

    def _carry_out(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            try:
                self._do(output)
            except Exception:
                log.exception("a SIP message could not be handled")
        self._set_timer()

    def _do(self, output: Output) -> None:
        match output:
            case Transmit(data, hop):
                self.sockets.send(data, hop)
            case Incoming(key, request, hop):
                self._incoming(key, request, hop)
            case Cancelled(key, _):
                self._callee.cancelled(key)
            case Acked(request, _):
                self._callee.acked(request)
            case Unacked(key):
                self._callee.unacked(key)
            case Answered(key, response, _):
                self._tell(key, response)
            case TimedOut(key) | Failed(key):
                self._tell(key, None)

    def _incoming(self, key: str, request: Request, hop: Hop) -> None:
        """Every request gets its answer: an INVITE without one would stay for ever."""
        try:
            self._callee.incoming(key, request, hop)
        except Exception:
            log.exception("a SIP request could not be handled")
            self.respond(key, request, 500)

    def refuse(self, key: str, request: Request, code: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Answer a stranger's request and remember nothing of it."""
        response = response_to(request, code, to_tag=new_tag(), headers=[*headers, ("Server", USER_AGENT)])
        self._carry_out(self._transactions.refuse_once(key, response))

    def _tell(self, key: str, response: Response | None) -> None:
        told = self._told.get(key)
        if told is None:
            return
        if response is None or (response.code >= 200 and not key.endswith("INVITE")):
            del self._told[key]
        told(response)

    def forget(self, key: str) -> None:
        """Nobody waits for responses to this request any more."""
        self._told.pop(key, None)

    def forget_in_time(self, key: str) -> None:
        """Forget it once no repeat of its 2xx, and none of another branch, comes (section 13.2.2.4)."""
        asyncio.get_running_loop().call_later(64 * self._timing.t1_s, self.forget, key)

    def _set_timer(self) -> None:
        due_s = self._transactions.next_due_s
        if self._timer is not None:
            if due_s is not None and due_s >= self._timer_due_s:
                return  # an early wake-up costs little, and looks again
            self._timer.cancel()
            self._timer = None
        if due_s is not None:
            delay_s = max(0.0, due_s - self._clock.now_s())
            self._timer_due_s = due_s
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._advance)
