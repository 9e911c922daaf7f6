"""
What two ends of a call have agreed on: tags, numbering, targets and routes, as a value (RFC 3261 section 12).

Requests inside a dialog are built here, so that a call that was set up through proxies keeps its route.
"""

from __future__ import annotations

from typing import Final

from sipmessage import URI, Address, CSeq, Request, Response

MAX_FORWARDS: Final = 70
"""RFC 3261 section 8.1.1.6."""


class Dialog:
    """
    One dialog as one of its ends sees it.

    Attributes:
        call_id: The same for all its messages.
        local: Our side of From and To, with our tag.
        remote: The peer's side, with its tag.
        target: Where the peer wants requests to go: its latest Contact.
        routes: The proxies between, nearest first.
        local_cseq: The number of our latest request.

    """

    def __init__(
        self,
        *,
        call_id: str,
        local: Address,
        remote: Address,
        target: URI,
        routes: tuple[Address, ...],
        local_cseq: int,
        remote_cseq: int | None,
    ) -> None:
        self.call_id: Final = call_id
        self.local: Final = local
        self.remote: Final = remote
        self.target = target
        self.routes: Final = routes
        self.local_cseq = local_cseq
        self._remote_cseq = remote_cseq

    @classmethod
    def of_caller(cls, invite: Request, response: Response) -> Dialog:
        """The dialog that a response with a To tag makes, as the caller sees it (section 12.1.2)."""
        contact = response.contact
        return cls(
            call_id=invite.call_id,
            local=invite.from_address,
            remote=response.to_address,
            target=contact[0].uri if contact else invite.uri,
            routes=tuple(reversed(response.record_route)),
            local_cseq=invite.cseq.sequence,
            remote_cseq=None,
        )

    @classmethod
    def of_callee(cls, invite: Request, response: Response) -> Dialog:
        """The dialog that our response makes, as the called side sees it (section 12.1.1)."""
        contact = invite.contact
        return cls(
            call_id=invite.call_id,
            local=response.to_address,
            remote=invite.from_address,
            target=contact[0].uri if contact else invite.from_address.uri,
            routes=tuple(invite.record_route),
            local_cseq=0,
            remote_cseq=invite.cseq.sequence,
        )

    @property
    def local_tag(self) -> str:
        """Our tag."""
        return address_tag(self.local)

    @property
    def remote_tag(self) -> str:
        """The peer's; empty where an old program sends none (section 12.1.1)."""
        return address_tag(self.remote)

    @property
    def next_uri(self) -> URI:
        """Whose address the next request goes to: the first proxy's, else the peer's."""
        return self.routes[0].uri if self.routes else self.target

    def request(self, method: str) -> Request:
        """Build the next request; Via, Contact and a body are the sender's to add."""
        self.local_cseq += 1
        return self._build(method, self.local_cseq)

    def ack(self, invite: Request) -> Request:
        """The ACK for a 2xx: a request of its own, with the INVITE's number (section 13.2.2.4)."""
        ack = self._build("ACK", invite.cseq.sequence)
        for name in ("Authorization", "Proxy-Authorization"):
            if invite.headers.getlist(name):
                ack.headers.setlist(name, list(invite.headers.getlist(name)))
        return ack

    def accepts(self, request: Request) -> bool:
        """Whether a request of the peer comes in order; if not it is answered 500 (section 12.2.2)."""
        number = request.cseq.sequence
        if request.method == "ACK":
            return True
        if self._remote_cseq is not None and number <= self._remote_cseq:
            return False
        self._remote_cseq = number
        return True

    def refresh(self, message: Request | Response) -> None:
        """Take the peer's new Contact out of a re-INVITE, an UPDATE or the answer to ours (section 12.2)."""
        contact = message.contact
        if contact:
            self.target = contact[0].uri

    def _build(self, method: str, number: int) -> Request:
        uri, routes = self.target, list(self.routes)
        if routes and "lr" not in routes[0].uri.parameters:
            # A strict router wants to be the request URI, and the target last (section 12.2.1.1).
            uri, routes = routes[0].uri, [*routes[1:], Address(uri=self.target)]
        request = Request(method, uri)
        if routes:
            request.route = routes
        request.max_forwards = MAX_FORWARDS
        request.from_address = self.local
        request.to_address = self.remote
        request.call_id = self.call_id
        request.cseq = CSeq(sequence=number, method=method)
        request.content_length = 0
        return request


def address_tag(address: Address) -> str:
    """Give an address's tag; empty if it has none."""
    return address.parameters.get("tag") or ""
