"""An answered call: one dialog and its media, from the answer to the BYE."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final

from sipmessage import Address, Request, Response

from bridge.carrier.sip.dialog_hop import hop_inside
from bridge.carrier.sip.endpoint import ALLOW, Endpoint
from bridge.carrier.sip.login import Login
from bridge.carrier.sip.media import CallMedia
from bridge.carrier.sip.negotiation import Negotiation
from bridge.errors import SdpError
from bridge.sip.dialog import Dialog
from bridge.sip.hop import Hop
from bridge.sip.sdp_body import ACCEPT, sdp_of

SILENT_AFTER_S: Final = 15.0
"""Without a packet for so long the peer is asked whether it is still there; a muted phone answers that."""
ASK_EVERY_S: Final = 60.0
"""A held call has no audio that could be missed: its peer is asked now and then."""

_SIGNAL: Final = re.compile(r"signal\s*=\s*([0-9A-D*#])", re.IGNORECASE)

log = logging.getLogger(__name__)


class SipCall:
    """
    One call that both sides have agreed on.

    Args:
        endpoint: Sends.
        dialog: What was agreed on.
        hop: Where the peer is; kept current by its requests over the same flow.
        media: The audio.
        negotiation: Our side of the SDP.
        contact: Our own Contact.
        login: Answers a challenge of a request inside the call.
        forget: Called once when it is over.

    Attributes:
        ended: Set once it is over, whoever ended it.
        by_peer: Whether the peer ended it.

    """

    def __init__(
        self,
        endpoint: Endpoint,
        dialog: Dialog,
        hop: Hop,
        media: CallMedia,
        negotiation: Negotiation,
        *,
        contact: Address,
        login: Login | None = None,
        forget: Callable[[SipCall], None],
    ) -> None:
        self.dialog: Final = dialog
        self.media: Final = media
        self.ended: Final = asyncio.Event()
        self.by_peer = False
        self._endpoint: Final = endpoint
        self._hop = hop
        self._negotiation: Final = negotiation
        self._contact: Final = contact
        self._login: Final = login
        self._forget: Final = forget
        self._answer_due: str | None = None
        self._answer_due_cseq = 0
        self._is_offering = False
        self._is_bye_due = False
        self._is_asking = False
        self._asked_s: float | None = None

    def request(self, key: str, request: Request, hop: Hop) -> None:
        """Handle what the peer asks for inside the call."""
        if self.ended.is_set() and not (self._is_bye_due and request.method == "BYE"):
            self._endpoint.respond(key, request, 481)
        elif not self.dialog.accepts(request):
            self._endpoint.respond(key, request, 500, phrase="Out of order", headers=[("Retry-After", "1")])
        else:
            self._hop = hop if hop.is_reliable else self._hop
            self._handle(key, request, hop)

    def _handle(self, key: str, request: Request, hop: Hop) -> None:
        match request.method:
            case "BYE":
                self._endpoint.respond(key, request, 200)
                self._is_bye_due = False
                self._end(by_peer=True)
            case "INVITE" | "UPDATE":
                self._change(key, request, hop)
            case "INFO":
                self._info(key, request)
            case "OPTIONS":
                self._endpoint.respond(key, request, 200, headers=[("Allow", ALLOW)])
            case _:
                self._endpoint.respond(key, request, 405, headers=[("Allow", ALLOW)])

    def acked(self, request: Request) -> None:
        """The peer has our 2xx; where we made the offer in it, its answer is in the ACK."""
        if self._answer_due is None or request.cseq.sequence != self._answer_due_cseq:
            return  # a copy, perhaps of an earlier one (RFC 3261 section 13.2.2.4)
        self._settle()
        if self._is_offering and not self.ended.is_set():
            self._is_offering = False
            try:
                remote = self._negotiation.take_answer(sdp_of(request))
                self.media.update(remote, self._negotiation.key, nat_host=self._hop.host)
            except SdpError as error:
                log.warning("the answer in an ACK does not fit: %s", error)
                self.hang_up()

    def _settle(self) -> None:
        """Our 2xx is repeated no more; a BYE that had to wait for that goes out."""
        if self._answer_due is not None:
            self._endpoint.settled(self._answer_due)
            self._answer_due = None
        if self._is_bye_due:
            self._is_bye_due = False
            self._send("BYE", lambda _: None)
            self._forget(self)

    def expect_ack(self, key: str, invite: Request, *, offering: bool = False) -> None:
        """Our 2xx to this INVITE is on its way; ``offering``: it holds our offer."""
        self._answer_due, self._answer_due_cseq, self._is_offering = key, invite.cseq.sequence, offering

    def awaits(self, key: str) -> bool:
        """Whether this is the 2xx whose ACK is awaited."""
        return self._answer_due == key

    def _change(self, key: str, request: Request, hop: Hop) -> None:
        """Hold, resume, move or only refresh the session (RFC 3261 section 14, RFC 3311)."""
        if request.method == "INVITE" and self._answer_due is not None:
            # Section 14.2: the one before is not settled yet.
            self._endpoint.respond(key, request, 500, headers=[("Retry-After", "1")])
            return
        if request.body and self._is_offering:
            self._endpoint.respond(key, request, 491)  # RFC 3311 section 5.2: ours is not answered yet
            return
        self.dialog.refresh(request)
        self._hop = hop_inside(self.dialog, hop)  # a phone that has moved says so by this
        try:
            offer = sdp_of(request)
            sdp = self._described(request, offer)
        except SdpError as error:
            headers = [ACCEPT] if error.status == 415 else []
            self._endpoint.respond(key, request, error.status, phrase=str(error)[:60], headers=headers)
            return
        headers = [("Contact", str(self._contact)), ("Allow", ALLOW)]
        if request.method == "INVITE":
            self.expect_ack(key, request, offering=not offer)
        self._endpoint.respond(key, request, 200, headers=headers, sdp=sdp)

    def _described(self, request: Request, offer: bytes) -> bytes:
        if offer:
            sdp, remote = self._negotiation.answer(offer)
            self.media.update(remote, self._negotiation.key, nat_host=self._hop.host)
            return sdp
        return self._negotiation.offer() if request.method == "INVITE" else b""

    def _info(self, key: str, request: Request) -> None:
        """Digits as INFO: ``application/dtmf-relay`` has lines, ``application/dtmf`` the digit alone."""
        kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        text = request.body[:200].decode("ascii", "replace").strip()
        if kind == "application/dtmf-relay":
            found = _SIGNAL.search(text)
            digit = found[1] if found else ""
        elif kind == "application/dtmf":
            digit = {"10": "*", "11": "#"}.get(text, text[:1])
        elif not request.body:
            self._endpoint.respond(key, request, 200)
            return
        else:
            self._endpoint.respond(key, request, 415, headers=[("Accept", "application/dtmf-relay")])
            return
        if digit:
            self.media.add_info_digit(digit.upper())
        self._endpoint.respond(key, request, 200)

    # Our side

    def press(self, digits: str) -> bool:
        """Send the peer digits; false if too many wait already."""
        try:
            self.media.press(digits)
        except ValueError:
            return False
        return True

    def hang_up(self) -> None:
        """
        End it with a BYE; nothing more is waited for. Safe to call twice.

        While our 200 is not acknowledged the BYE has to wait (RFC 3261 section 15): a phone that got it
        before the 200 would refuse it and keep a call that nobody is in.
        """
        if self._answer_due is None or self.ended.is_set():
            self.hang_up_now()
        else:
            self._is_bye_due = True
            self.media.close()
            self.ended.set()

    def hang_up_now(self) -> None:
        """The same, whatever the peer has acknowledged."""
        if self._is_bye_due:
            self._settle()
        elif not self.ended.is_set():
            self._send("BYE", lambda _: None)
            self._end(by_peer=False)

    def check(self, now_s: float) -> None:
        """Ask a peer that has sent no audio for long whether it is still there, a held one now and then."""
        if self._asked_s is None:
            self._asked_s = now_s
        if self.ended.is_set() or self._is_asking:
            return
        # Whoever talks is there; some simple peers end a call in which they are asked.
        is_held = self.media.is_held
        is_quiet = is_held or self.media.is_silent_since_s(now_s) >= SILENT_AFTER_S
        if not is_quiet or now_s - self._asked_s < (ASK_EVERY_S if is_held else SILENT_AFTER_S):
            return
        self._is_asking, self._asked_s = True, now_s
        self._send("OPTIONS", self._lives)

    def _lives(self, response: Response | None) -> None:
        if response is not None and response.code < 200:
            return
        self._is_asking = False
        if response is None or response.code in (404, 408, 481):
            log.warning("a phone is gone: no audio, and no answer when asked")
            self.hang_up()

    def _send(self, method: str, told: Callable[[Response | None], None], *, again: bool = True) -> None:
        request = self.dialog.request(method)
        request.headers.set("Contact", str(self._contact))

        def answered(response: Response | None) -> None:
            if response is not None and response.code in (401, 407) and again and self._login is not None:
                retry = self.dialog.request(method)
                if self._login.answer(retry, response):
                    self._endpoint.request(retry, self._hop, told)
                    return
            told(response)

        self._endpoint.request(request, self._hop, answered)

    def unacked(self) -> None:
        """The peer never confirmed our 2xx (RFC 3261 section 13.3.1.4): the call is ended."""
        self._answer_due = None
        self.hang_up_now()

    def _end(self, *, by_peer: bool) -> None:
        self.by_peer = by_peer
        self.ended.set()
        if self._answer_due is not None:
            self._endpoint.settled(self._answer_due)
            self._answer_due = None
        self.media.close()
        self._forget(self)
