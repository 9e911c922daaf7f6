"""A SIP phone that calls: it rings us until the application has decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sipmessage import Address, Request

from bridge.carrier.phone.leg import Answer
from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.dialog_hop import hop_inside
from bridge.carrier.sip.endpoint import ALLOW
from bridge.carrier.sip.media import CallMedia
from bridge.carrier.sip.negotiation import Negotiation
from bridge.carrier.sip.sip_call import SipCall
from bridge.carrier.stream.playback import SILENCE
from bridge.sip.dialog import Dialog
from bridge.sip.hop import Hop
from bridge.sip.message import new_tag, response_to
from bridge.sip.sdp import AudioMedia
from bridge.sip.sdp_body import ACCEPT, sdp_of


class IncomingLeg:
    """
    An ``IncomingLeg`` of the carrier, over SIP.

    Args:
        desk: The SIP port.
        key: The INVITE's transaction.
        invite: The INVITE.
        hop: Where it came from.
        media: Our audio, ready.
        negotiation: Our side of the SDP.

    """

    def __init__(
        self, desk: Desk, key: str, invite: Request, hop: Hop, media: CallMedia, negotiation: Negotiation
    ) -> None:
        self.key: Final = key
        self._desk: Final = desk
        self._invite: Final = invite
        self._hop: Final = hop
        self._media: Final = media
        self._negotiation: Final = negotiation
        self._tag: Final = new_tag()
        self._contact: Final[Address] = desk.endpoint.contact(invite.uri.user or "", hop)
        self._remote: AudioMedia | None = None
        self._sdp = b""
        self._gone: Final = asyncio.Event()
        self._is_decided = False
        self._call: SipCall | None = None

    def ring(self) -> None:
        """
        Read the caller's offer, and tell it that we ring.

        Raises:
            SdpError: nothing in the offer fits.

        """
        if offer := sdp_of(self._invite):
            self._sdp, self._remote = self._negotiation.answer(offer)
        headers = [("Contact", str(self._contact)), ("Allow", ALLOW)]
        self._desk.endpoint.respond(self.key, self._invite, 180, to_tag=self._tag, headers=headers)

    def cancelled(self) -> None:
        """The caller has given up."""
        self._gone.set()

    async def dial(self, ringing: Callable[[], None]) -> Answer:  # noqa: ARG002  (it rang us)
        return Answer("answered", 200)

    async def answered(self) -> None:
        if self._is_decided or self._gone.is_set():
            return
        self._is_decided = True
        headers = [("Contact", str(self._contact)), ("Allow", ALLOW)]
        response = response_to(
            self._invite,
            200,
            to_tag=self._tag,
            headers=headers,
            body=self._sdp or self._negotiation.offer(),
            content_type="application/sdp",
        )
        dialog = Dialog.of_callee(self._invite, response)
        call = SipCall(
            self._desk.endpoint,
            dialog,
            hop_inside(dialog, self._hop),
            self._media,
            self._negotiation,
            contact=self._contact,
            forget=self._ended,
        )
        call.expect_ack(self.key, self._invite, offering=self._remote is None)
        self._call = call
        self._desk.remember(call)
        if self._remote is not None:
            self._media.start(self._remote, self._negotiation.key, nat_host=self._hop.host)
        self._desk.endpoint.send_response(self.key, response)

    async def refused(self, sip_status: int) -> None:
        if not self._is_decided:
            self._is_decided = True
            headers = [ACCEPT] if sip_status == 415 else []
            self._desk.endpoint.respond(self.key, self._invite, sip_status, to_tag=self._tag, headers=headers)
        await self.hang_up()

    def speak(self) -> bytes:
        return SILENCE if self._call is None else self._media.speak()

    def hear(self, payload: bytes) -> None:
        if self._call is not None:
            self._media.hear(payload)

    def digits(self) -> str:
        return "" if self._call is None else self._media.digits()

    def press(self, digits: str) -> bool:
        return self._call is not None and self._call.press(digits)

    async def hung_up(self) -> None:
        await self._gone.wait()

    def _ended(self, call: SipCall) -> None:
        self._desk.forget(call)
        self._gone.set()

    async def hang_up(self) -> None:
        self._gone.set()
        if self._call is None:
            self._media.close()
        else:
            self._call.hang_up()
