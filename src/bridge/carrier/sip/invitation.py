"""One INVITE of ours to one target: ringing, accepted, refused or given up (RFC 3261 section 13.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sipmessage import URI, Address, CSeq, Request, Response

from bridge.carrier.sip.endpoint import ALLOW, Endpoint
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
    """The target has answered: the dialog, and its SDP (empty if it sent none)."""

    dialog: Dialog
    sdp: bytes


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
    ) -> None:
        self._endpoint: Final = endpoint
        self._invitee: Final = invitee
        self._hop: Final = hop
        self._contact: Final = contact
        self._sdp: Final = sdp
        self._ringing: Final = ringing
        self._result: asyncio.Future[Accepted | int] = asyncio.get_running_loop().create_future()
        self._request: Request = self._build(1)
        self._key = ""
        self._challenges = 0
        self._early_sdp = b""
        self._dialog: Dialog | None = None
        self._ack: Request | None = None
        self._given_up = False

    async def run(self) -> Accepted | int:
        """
        Send it and wait for what comes of it; cancelled, it is given up.

        Returns:
            What was agreed on, or the SIP status of the refusal; 408 where nobody answered at all.

        """
        self._key = self._endpoint.request(self._request, self._hop, self._told)
        try:
            return await self._result
        except asyncio.CancelledError:
            self.give_up()
            raise

    def give_up(self) -> None:
        """Cancel it; a target that answers all the same is hung up on."""
        if not self._given_up and self._dialog is None:
            self._given_up = True
            self._endpoint.cancel(self._key)

    def _build(self, number: int) -> Request:
        invitee = self._invitee
        request = Request("INVITE", invitee.uri, self._sdp)
        request.max_forwards = MAX_FORWARDS
        request.from_address = invitee.caller
        request.to_address = Address(uri=URI.parse(str(invitee.uri).partition(";")[0]))
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
        if self._dialog is not None and dialog.remote_tag == self._dialog.remote_tag:
            if self._ack is not None:  # our ACK was lost
                self._endpoint.acknowledge(self._ack, self._hop)
            return
        ack = dialog.ack(self._request)
        self._endpoint.acknowledge(ack, self._hop)
        if self._dialog is not None or self._given_up:
            # Another branch behind a forking proxy, or an answer that crossed our CANCEL (section 9.1).
            self._endpoint.request(dialog.request("BYE"), self._hop, lambda _: None)
            return
        self._dialog, self._ack = dialog, ack
        self._endpoint.forget_in_time(self._key)
        self._finish(Accepted(dialog, response.body or self._early_sdp))

    def _finish(self, result: Accepted | int) -> None:
        if not self._result.done():
            self._result.set_result(result)
