"""A SIP phone that the carrier calls: at one address, or at all where its user has registered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.carrier.phone.leg import Answer, DialResult
from bridge.carrier.sip.desk import Desk
from bridge.carrier.sip.dialog_hop import hop_inside
from bridge.carrier.sip.invitation import Accepted, Invitation, Invitee
from bridge.carrier.sip.negotiation import Negotiation, Security
from bridge.carrier.sip.next_hop import find_hop
from bridge.carrier.sip.sip_call import SipCall
from bridge.carrier.stream.playback import SILENCE
from bridge.errors import CarrierRefused, MalformedSip, SdpError, SipUnreachable
from bridge.sip.hop import Hop

log = logging.getLogger(__name__)

_RESULTS: Final[dict[int, DialResult]] = {
    486: "busy",
    600: "busy",
    603: "declined",
    480: "no-answer",
    487: "no-answer",
}
"""RFC 3261 section 21; every other refusal means that the phone cannot be reached."""

_PREFERENCE: Final = {"busy": 0, "declined": 1, "no-answer": 2, "unreachable": 3}
"""Whose refusal counts, where several phones of one user refuse."""


@dataclass(frozen=True, slots=True)
class Target:
    """One phone: whom to invite, and the hop to it where that is known already."""

    invitee: Invitee
    hop: Hop | None = None


class OutgoingLeg:
    """
    A ``Leg`` over SIP that is dialled.

    Args:
        desk: The SIP port.
        targets: Where to ring, all at once; the first to answer is it.
        security: Encryption of the audio.
        on_answer: Told what the phone that answered has said.

    """

    def __init__(
        self,
        desk: Desk,
        targets: Sequence[Target],
        security: Security = "off",
        *,
        on_answer: Callable[[Accepted], None] = lambda _: None,
    ) -> None:
        self._on_answer: Final = on_answer
        self._desk: Final = desk
        self._targets: Final = targets
        self._security: Final[Security] = security
        self._call: SipCall | None = None
        self._gone: Final = asyncio.Event()

    async def dial(self, ringing: Callable[[], None]) -> Answer:
        """Invite every target; see ``Leg.dial``."""
        if not self._targets:
            return Answer("unreachable", 480)
        ring = _Once(ringing)
        answers: list[Answer] = []
        async with asyncio.TaskGroup() as group:
            waiting = {group.create_task(self._try(target, ring)) for target in self._targets}
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                answers += [task.result() for task in done]
                if any(answer.result == "answered" for answer in answers):
                    for task in waiting:
                        task.cancel()
                    return Answer("answered", 200)
        return min(answers, key=lambda answer: _PREFERENCE[answer.result])

    async def _try(self, target: Target, ringing: Callable[[], None]) -> Answer:
        try:
            hop = target.hop or await find_hop(target.invitee.uri)
        except SipUnreachable as error:
            log.warning("a SIP phone cannot be called: %s", error)
            return Answer("unreachable", 404)
        host, port = self._desk.endpoint.sockets.address_toward(hop)
        if (hop.host, hop.port) == (host, port):
            log.warning("a SIP phone cannot be called: its address is our own port")
            return Answer("unreachable", 482)
        try:
            media = await self._desk.open_media(host)
        except (SipUnreachable, CarrierRefused) as error:
            log.warning("a SIP phone cannot be called: %s", error)
            return Answer("unreachable", 503)
        is_kept = False
        try:
            negotiation = Negotiation(host, media.local_port, self._security)
            contact = self._desk.endpoint.contact(target.invitee.caller.uri.user or "", hop)
            invitation = Invitation(
                self._desk.endpoint,
                target.invitee,
                hop,
                contact=contact,
                sdp=negotiation.offer(),
                ringing=ringing,
                inside=hop_inside,
                accepted=lambda accepted: self._begin(
                    SipCall(
                        self._desk.endpoint,
                        accepted.dialog,
                        accepted.hop,
                        media,
                        negotiation,
                        contact=contact,
                        login=target.invitee.login,
                        forget=self._ended,
                    ),
                    accepted,
                    negotiation,
                ),
            )
            status = await invitation.run()
            is_kept = status == 200
            return Answer("answered" if is_kept else _RESULTS.get(status, "unreachable"), status)
        except (
            MalformedSip,
            ValueError,
        ) as error:  # something we were asked to send cannot stand in a message
            log.warning("a SIP phone cannot be called: %s", error)
            return Answer("unreachable", 400)
        finally:
            if not is_kept:
                media.close()

    def _begin(self, call: SipCall, accepted: Accepted, negotiation: Negotiation) -> bool:
        """
        Let the audio of an accepted call flow; false if it was not the first, or its SDP does not fit.

        This runs in the same moment as the answer comes: the phone may hang up right behind it.
        """
        self._desk.remember(call)
        if self._call is not None or self._gone.is_set():
            call.hang_up()
            return False
        try:
            call.media.start(
                negotiation.take_answer(accepted.sdp), negotiation.key, nat_host=accepted.source_host
            )
        except SdpError as error:
            log.warning("a SIP phone's answer does not fit our offer: %s", error)
            call.hang_up()
            return False
        self._call = call
        self._on_answer(accepted)
        return True

    def speak(self) -> bytes:
        return SILENCE if self._call is None else self._call.media.speak()

    def hear(self, payload: bytes) -> None:
        if self._call is not None:
            self._call.media.hear(payload)

    def digits(self) -> str:
        return "" if self._call is None else self._call.media.digits()

    def press(self, digits: str) -> bool:
        return self._call is not None and self._call.press(digits)

    async def hung_up(self) -> None:
        await self._gone.wait()

    def _ended(self, call: SipCall) -> None:
        self._desk.forget(call)
        if call is self._call:
            self._gone.set()

    async def hang_up(self) -> None:
        self._gone.set()
        if self._call is not None:
            self._call.hang_up()


class _Once:
    """Calls a function the first time only: the first of several phones that ring is enough."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function()
