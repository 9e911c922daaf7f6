"""One INVITE of ours to one target: ringing, accepted, refused or given up (RFC 3261 section 13.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sipmessage import URI, Address, CSeq, Parameters, Request, Response

from bridge.carrier.sip.endpoint import ALLOW, Endpoint
from bridge.carrier.sip.handed_on import own_headers
from bridge.carrier.sip.login import Login
from bridge.sip.dialog import MAX_FORWARDS, Dialog
from bridge.sip.hop import Hop

_MOST_CHALLENGES: Final = 2
"""A proxy and the called side may both ask; a third challenge means that the password is wrong."""


@dataclass(frozen=True, slots=True)
class Invitee:
    """Whom an INVITE is for, and who it says is calling."""

    uri: URI
    caller: Address
    call_id: str
    headers: tuple[tuple[str, str], ...] = ()
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    The target has answered.

    Attributes:
        dialog: What was agreed on.
        sdp: Its SDP; empty if it sent none.
        hop: Where requests inside the dialog go.
        source_host: Whom the INVITE was sent to.
        headers: Its own ones, for the application.

    """

    dialog: Dialog
    sdp: bytes
    hop: Hop
    source_host: str
    headers: tuple[tuple[str, str], ...]


class Invitation:
    """
    One INVITE, sent again with credentials where that is asked for.

    Args:
        endpoint: Sends.
        invitee: Whom it is for.
        hop: Where it goes.
        contact: Our Contact.
        sdp: Our offer.
        ringing: Called when the target rings.
        inside: Says where requests inside the dialog go.
        accepted: Takes the answer, in the moment it comes; false where it does not fit.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        invitee: Invitee,
        hop: Hop,
        *,
        contact: Address,
        sdp: bytes,
        ringing: Callable[[], None],
        inside: Callable[[Dialog, Hop], Hop],
        accepted: Callable[[Accepted], bool],
    ) -> None:
        self._endpoint: Final = endpoint
        self._invitee: Final = invitee
        self._hop: Final = hop
        self._contact: Final = contact
        self._sdp: Final = sdp
        self._ringing: Final = ringing
        self._inside: Final = inside
        self._take: Final = accepted
        self._result: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._request: Request = self._build(1)
        self._key = ""
        self._challenges = 0
        self._early_sdp = b""
        self._acks: dict[str, Request] = {}
        self._is_settled = False
        self._given_up = False

    async def run(self) -> int:
        """
        Send it and wait for what comes of it; cancelled, it is given up.

        Returns:
            200 if it was accepted, else the SIP status of the refusal: 408 where nobody answered at all, 488
            where the answer did not fit.

        """
        self._key = self._endpoint.request(self._request, self._hop, self._told)
        try:
            return await self._result
        except asyncio.CancelledError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Cancel it; a target that answers all the same is hung up on."""
        if not self._given_up and not self._acks:
            self._given_up = True
            self._endpoint.cancel(self._key)

    def _build(self, number: int) -> Request:
        invitee = self._invitee
        request = Request("INVITE", invitee.uri, self._sdp)
        request.max_forwards = MAX_FORWARDS
        request.from_address = invitee.caller
        request.to_address = Address(uri=replace(invitee.uri, parameters=Parameters()))
        request.call_id = invitee.call_id
        request.cseq = CSeq(sequence=number, method="INVITE")
        request.contact = [self._contact]
        request.headers.set("Allow", ALLOW)
        request.headers.set("Content-Type", "application/sdp")
        for name, value in invitee.headers:
            request.headers.set(name, value)
        return request

    def _told(self, response: Response | None) -> None:
        if response is None:
            self._endpoint.forget(self._key)
            self._finish(408)
        elif response.code < 200:
            if response.code > 100 and not self._given_up:
                self._early_sdp = response.body or self._early_sdp
                self._ringing()
        elif response.code < 300:
            self._accepted(response)
        else:
            self._refused(response)

    def _refused(self, response: Response) -> None:
        self._endpoint.forget(self._key)
        login = self._invitee.login
        challenged = response.code in (401, 407) and not self._given_up and login is not None
        if challenged and login is not None and self._challenges < _MOST_CHALLENGES:
            self._challenges += 1
            request = self._build(self._request.cseq.sequence + 1)
            for name in ("Authorization", "Proxy-Authorization"):
                for value in self._request.headers.getlist(name):
                    request.headers.set(name, value)
            if login.answer(request, response):
                self._request = request
                self._key = self._endpoint.request(request, self._hop, self._told)
                return
        self._finish(response.code)

    def _accepted(self, response: Response) -> None:
        dialog = Dialog.of_caller(self._request, response)
        hop = self._inside(dialog, self._hop)
        is_repeated = dialog.remote_tag in self._acks  # then our ACK was lost
        ack = self._acks.setdefault(dialog.remote_tag, dialog.ack(self._request))
        self._endpoint.acknowledge(ack, hop)
        if is_repeated:
            return
        if not self._is_settled:
            self._is_settled = True
            self._endpoint.forget_in_time(self._key)
        if len(self._acks) > 1 or self._given_up:
            # Another branch behind a forking proxy, or an answer that crossed our CANCEL (section 9.1).
            self._endpoint.request(dialog.request("BYE"), hop, lambda _: None)
            return
        sdp = response.body or self._early_sdp
        accepted = Accepted(dialog, sdp, hop, self._hop.host, own_headers(response))
        self._finish(200 if self._take(accepted) else 488)

    def _finish(self, result: int) -> None:
        if not self._result.done():
            self._result.set_result(result)
