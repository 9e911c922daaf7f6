"""
The transaction layer (RFC 3261 section 17): requests and responses meet, and what is lost is repeated.

A value: messages and the time go in, things to do come out, and ``next_due_s`` says when to ask again.
"""

from __future__ import annotations

import heapq
from typing import Final

from sipmessage import Request, Response

from bridge.errors import MalformedSip
from bridge.sip.client_transaction import ClientInvite, ClientRequest
from bridge.sip.hop import Hop
from bridge.sip.message import MAGIC, encode, mark_source, response_hop, response_to, tag_of
from bridge.sip.outputs import (
    Acked,
    Answered,
    Cancelled,
    Failed,
    Incoming,
    Output,
    TimedOut,
    Transmit,
    Unacked,
)
from bridge.sip.server_transaction import ServerInvite, ServerRequest
from bridge.sip.timing import Timing
from bridge.sip.transaction import State, Transaction

__all__ = [
    "Acked",
    "Answered",
    "Cancelled",
    "Failed",
    "Incoming",
    "Output",
    "TimedOut",
    "Transactions",
    "Transmit",
    "Unacked",
]

RETRY_AFTER_S: Final = 10
_ENDINGS: Final = frozenset({"BYE", "CANCEL"})
_SPARE_ALARMS: Final = 64

Client = ClientInvite | ClientRequest
Server = ServerInvite | ServerRequest


class Transactions:
    """
    All transactions of one endpoint.

    Args:
        timing: RFC 3261's times.
        most: How many may live at once. Beyond it a peer's request is refused with 503, and one of ours
            fails at once; those under way are not touched.

    """

    def __init__(self, timing: Timing | None = None, *, most: int = 10_000) -> None:
        self._timing: Final = timing or Timing()
        self._most: Final = most
        self._clients: Final[dict[str, Client]] = {}
        self._servers: Final[dict[str, Server]] = {}
        self._alarms: list[tuple[float, int, Transaction]] = []
        self._alarm_count = 0

    def __len__(self) -> int:
        """Count the transactions alive."""
        return len(self._clients) + len(self._servers)

    # Requests of ours

    def request(self, request: Request, hop: Hop, now_s: float) -> tuple[str, list[Output]]:
        """
        Send a request other than ACK.

        Args:
            request: With our Via on top, whose branch nobody has had before.
            hop: Where it goes.
            now_s: The time.

        Returns:
            Its key, the branch and the method, and what to do.

        Raises:
            MalformedSip: A value of it holds a line break.
            ValueError: Its Via has no branch, or one that is in use.

        """
        key = f"{request.via[0].parameters.get('branch') or ''}{request.method}"
        if not key.startswith(MAGIC) or key in self._clients:
            raise ValueError("a request of ours needs a new branch")
        if len(self) >= self._most and request.method not in _ENDINGS:
            return key, [Failed(key)]
        kind = ClientInvite if request.method == "INVITE" else ClientRequest
        client = kind(key, request, hop, self._timing)
        self._clients[key] = client
        return key, self._settle(client, client.start(now_s))

    def cancel(self, key: str, now_s: float) -> tuple[str | None, list[Output]]:
        """
        Give up an INVITE of ours (RFC 3261 section 9.1); its final response is told as ever.

        Returns:
            The CANCEL's key, and what to do: nothing yet, if the peer has not said a word so far. ``None``
            where the INVITE has its final response already, or is none.

        """
        client = self._clients.get(key)
        if not isinstance(client, ClientInvite) or client.has_final:
            return None, []
        client.give_up()
        return _cancel_key(key), self._cancel_if_due(client, now_s)

    def _cancel_if_due(self, invite: ClientInvite, now_s: float) -> list[Output]:
        if not invite.may_cancel:
            return []
        cancel = ClientRequest(_cancel_key(invite.key), invite.cancel_sent(now_s), invite.hop, self._timing)
        self._clients[cancel.key] = cancel
        self._settle(invite, [])
        return self._settle(cancel, cancel.start(now_s))

    def transport_failed(self, hop: Hop, now_s: float) -> list[Output]:  # noqa: ARG002 - all methods take it
        """Fail all requests to that hop which have no final response; nothing more is repeated to it."""
        lost = [client for client in self._clients.values() if client.hop.meets(hop)]
        for client in lost:
            del self._clients[client.key]
        outputs: list[Output] = [Failed(client.key) for client in lost if not client.has_final]
        for client in lost:
            client.abandon()
        return outputs

    # Requests of others

    def respond(self, key: str, response: Response, now_s: float) -> list[Output]:
        """
        Answer a request; a second final answer, or one to a request that is over, is dropped.

        Raises:
            MalformedSip: A value of the response holds a line break.

        """
        server = self._servers.get(key)
        return [] if server is None else self._settle(server, server.respond(response, now_s))

    def refuse_once(self, key: str, response: Response) -> list[Output]:
        """
        Answer a stranger's request and remember nothing of it (RFC 3261 section 26.3.2.4).

        Otherwise whoever sends requests that are refused would fill our memory, and a forged sender be sent
        each refusal many times.
        """
        server = self._servers.pop(key, None)
        if server is None:
            return []
        server.abandon()
        return [Transmit(encode(response), server.hop)]

    def acked(self, key: str) -> None:
        """The ACK to our 2xx has come: repeat it no more."""
        server = self._servers.get(key)
        if isinstance(server, ServerInvite):
            server.acked()
            self._settle(server, [])

    def refuse(self, fault: MalformedSip, source: Hop) -> list[Output]:
        """Answer a request that could not be read, and remember nothing of it."""
        if fault.request is None or fault.status is None:
            return []
        hop = response_hop(fault.request, source)
        mark_source(fault.request, source)
        return [Transmit(encode(response_to(fault.request, fault.status)), hop)]

    # What comes

    def receive(self, message: Request | Response, hop: Hop, now_s: float) -> list[Output]:
        """
        Take a message.

        Args:
            message: From ``parse``. A request gets ``received`` and ``rport`` written on its top Via.
            hop: Whence it came.
            now_s: The time.

        """
        if isinstance(message, Response):
            return self._response(message, hop, now_s)
        key = _server_key(message, "INVITE" if message.method == "ACK" else message.method)
        server = self._servers.get(key)
        if message.method == "ACK":
            if isinstance(server, ServerInvite):
                return self._settle(server, server.ack(message, hop, now_s))
            return [Acked(message, hop)]
        if server is not None:
            return self._settle(server, server.copy(now_s))
        invite = self._servers.get(_server_key(message, "INVITE")) if message.method == "CANCEL" else None
        back = response_hop(message, hop)
        mark_source(message, hop)
        # What belongs to a call may use a reserve: a flood of new requests must not keep calls from ending.
        most = self._most + self._most // 5 if tag_of(message.headers.get("To")) else self._most
        if len(self) >= most and invite is None:
            busy = response_to(message, 503, headers=[("Retry-After", str(RETRY_AFTER_S))])
            return [Transmit(encode(busy), back)]
        if message.method == "INVITE":
            server = ServerInvite(key, message, back, self._timing, now_s)
        else:
            server = ServerRequest(key, back, self._timing, now_s)
        self._servers[key] = server
        if isinstance(server, ServerRequest) and message.method == "CANCEL":
            return self._cancelled(server, message, invite, now_s)
        return self._settle(server, [Incoming(key, message, back)])

    def _response(self, response: Response, hop: Hop, now_s: float) -> list[Output]:
        branch = response.via[0].parameters.get("branch")
        client = self._clients.get(f"{branch}{response.cseq.method}")
        if client is None:
            return []
        outputs = self._settle(client, client.receive(response, hop, now_s))
        if isinstance(client, ClientInvite):
            outputs += self._cancel_if_due(client, now_s)
        return outputs

    def _cancelled(
        self, server: ServerRequest, request: Request, invite: Server | None, now_s: float
    ) -> list[Output]:
        """Answer a CANCEL (RFC 3261 section 9.2); it changes nothing for an INVITE that has its answer."""
        if not isinstance(invite, ServerInvite):
            return self._settle(server, server.respond(response_to(request, 481), now_s))
        ok = response_to(request, 200, to_tag=invite.to_tag)
        outputs = self._settle(server, server.respond(ok, now_s))
        if invite.state is State.PROCEEDING and not invite.was_cancelled:
            invite.was_cancelled = True
            outputs.append(Cancelled(invite.key, request))
        return outputs

    # Time

    @property
    def next_due_s(self) -> float | None:
        """When ``advance`` has something to do; ``None`` for never."""
        while self._alarms and _is_stale(self._alarms[0]):
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def advance(self, now_s: float) -> list[Output]:
        """Do all that is due."""
        outputs: list[Output] = []
        while (due_s := self.next_due_s) is not None and due_s <= now_s:
            transaction = heapq.heappop(self._alarms)[2]
            transaction.alarm_s = None
            outputs += self._settle(transaction, transaction.fire(now_s))
        return outputs

    def _settle(self, transaction: Transaction, outputs: list[Output]) -> list[Output]:
        """After each step of a transaction: forget it, or set its alarm; hand its outputs on."""
        if transaction.is_over:
            table = self._servers if isinstance(transaction, Server) else self._clients
            table.pop(transaction.key, None)
        elif transaction.due_s is not None and transaction.due_s != transaction.alarm_s:
            transaction.alarm_s = transaction.due_s
            self._alarm_count += 1
            heapq.heappush(self._alarms, (transaction.due_s, self._alarm_count, transaction))
            if len(self._alarms) > 2 * len(self) + _SPARE_ALARMS:  # those of the past and of the dead
                self._alarms = [alarm for alarm in self._alarms if not _is_stale(alarm)]
                heapq.heapify(self._alarms)
        return outputs


def _is_stale(alarm: tuple[float, int, Transaction]) -> bool:
    return alarm[2].due_s != alarm[0]


def _cancel_key(key: str) -> str:
    return key.removesuffix("INVITE") + "CANCEL"


def _server_key(request: Request, method: str) -> str:
    """Name the transaction a request belongs to (RFC 3261 section 17.2.3)."""
    via = request.via[0]
    branch = via.parameters.get("branch") or ""
    if branch.startswith(MAGIC):
        return f"{branch} {via.host.lower()}:{via.port} {method}"
    # A peer of RFC 2543, whose branch may be missing or used again.
    parts = (request.call_id, tag_of(request.headers.get("From")), request.cseq.sequence, request.uri)
    return " ".join([*map(str, parts), request.headers["Via"], method])
