"""
``<Dial>``: rings other phones, and joins the first that answers with the call's own.

What it does where Twilio's page leaves room (https://www.twilio.com/docs/voice/twiml/dial): without
``answerOnBridge`` the caller is answered first and hears a ringback tone; with it an unanswered caller goes
on ringing and is answered together with the dialled phone. All nouns ring at once. The first answer wins, the
others' calls end as ``canceled``; where nobody answers, the one that gave up last is reported. A caller who
hangs up, and a redirect of his call, end the dialled calls as well; ``action`` is then not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Final

from bridge.audio.g711 import encode_ulaw, ulaw_silence
from bridge.audio.tone import tone
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.dial_nouns import DialReader, Noun
from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.limit import time_is_up
from bridge.carrier.call.race import first_of
from bridge.carrier.call.request import Document
from bridge.carrier.call.ring import end_unanswered, finish, ring
from bridge.carrier.call.step import Stage, Step, http_method, resolve
from bridge.carrier.phone.joint import Joint
from bridge.carrier.phone.leg import Leg
from bridge.carrier.webhook.script import Script
from bridge.errors import CarrierRefused
from bridge.twilio.twiml import Element

_MAX_RINGS: Final = 200
"""Twenty minutes of ringback: twice the longest time-out."""


class Dialer:
    """Runs ``<Dial>`` on one call."""

    def __init__(self, stage: Stage, equipment: Equipment) -> None:
        self._stage = stage
        self._equipment = equipment

    async def dial(self, verb: Element, script: Script, document: Document) -> Step:
        """Ring and talk; then go on with ``action``'s document, or with the next verb."""
        reader = DialReader(self._stage, verb, script)
        race = _Race()
        nouns = reader.nouns()
        if not reader.answer_on_bridge:
            await self._stage.answer()
        if nouns:
            await self._run(race, nouns, is_ended_by_star=reader.hang_up_on_star)
        action = verb.get("action")
        if not action:
            return None
        method = http_method(self._stage, verb, "method")
        url = resolve(script, action)
        return replace(document, url=url, method=method, twiml=None, fields=race.report())

    async def _run(self, race: _Race, nouns: Sequence[Noun], *, is_ended_by_star: bool) -> None:
        async with asyncio.TaskGroup() as group:
            race.waiting = len(nouns)
            for noun in nouns:
                group.create_task(self._branch(race, noun))
            await self._until_decided(race)
            if race.winner is not None:
                try:
                    await self._talk(*race.winner, is_ended_by_star=is_ended_by_star)
                finally:
                    race.over.set()

    async def _branch(self, race: _Race, noun: Noun) -> None:
        """Make one dialled call, from its beginning to its end."""
        try:
            await self._equipment.branch(noun.request, self._stage.call, partial(self._live, race, noun))
        except CarrierRefused as refusal:
            self._stage.call.warn(refusal.code, f"<Dial>: {refusal}")
        finally:
            race.ended()

    async def _live(self, race: _Race, noun: Noun, call: CarrierCall) -> None:
        race.calls.append(call)
        call.started = self._equipment.clock.utc()
        self._equipment.callbacks.call_event(call, "initiated")
        if race.decided.is_set():
            end_unanswered(call, None, self._equipment)
            return
        leg = self._find(call)
        if leg is None:
            finish(call, "failed", self._equipment, sip_status=404)
            return
        try:
            answer = await ring(call, leg, self._equipment)
            if answer is None or answer.result != "answered":
                end_unanswered(call, answer, self._equipment)
            elif race.decided.is_set():
                end_unanswered(call, None, self._equipment)
            else:
                call.move("in-progress", self._equipment.clock.utc())
                call.orders.answered.set()
                self._equipment.callbacks.call_event(call, "answered")
                race.won(call, leg, noun)
                await race.over.wait()
        finally:
            await leg.hang_up()
            if call.answered is not None:
                finish(call, "completed", self._equipment)
            else:  # not over yet only if the caller hung up while it rang
                end_unanswered(call, None, self._equipment)

    def _find(self, call: CarrierCall) -> Leg | None:
        try:
            return self._equipment.find_leg(call)
        except CarrierRefused as refusal:  # the trunk that byoc names is none
            self._stage.call.warn(refusal.code, f"<Dial>: {refusal}")
            return None

    async def _until_decided(self, race: _Race) -> None:
        """Wait for an answer or for the last refusal; a caller who is answered already hears it ring."""
        if self._stage.call.answered is None:
            await race.decided.wait()
        else:
            await first_of(decided=race.decided.wait(), ringback=self._ringback())

    async def _ringback(self) -> None:
        for _ in range(_MAX_RINGS):
            await self._stage.line.play(ringback())
        await asyncio.Event().wait()

    async def _talk(self, call: CarrierCall, leg: Leg, noun: Noun, *, is_ended_by_star: bool) -> None:
        """Join the two until one of them, an order, the ``*`` or the time limit ends it."""
        await self._stage.answer()
        joint = Joint(self._stage.line.leg, leg, is_ended_by_star=is_ended_by_star)
        joint.play_to_far(noun.opening)
        self._stage.line.connect(joint)
        try:
            await first_of(
                asked=_until(call.orders.end),
                phone=leg.hung_up(),
                star=_until(joint.star),
                limit=time_is_up(call, self._equipment.clock),
            )
        finally:
            self._stage.line.disconnect()


class _Race:
    """
    Several phones ringing at once.

    Attributes:
        calls: Those that ring or rang, in the order in which they began.
        winner: The first that answered: its call, its phone and what it was asked with.
        waiting: How many are not over yet.
        decided: Set once somebody has answered, or nobody will.
        over: Set once the winner's conversation has ended.

    """

    def __init__(self) -> None:
        self.calls: Final[list[CarrierCall]] = []
        self.winner: tuple[CarrierCall, Leg, Noun] | None = None
        self.waiting = 0
        self.decided: Final = asyncio.Event()
        self.over: Final = asyncio.Event()

    def won(self, call: CarrierCall, leg: Leg, noun: Noun) -> None:
        """Somebody has answered: the others stop ringing."""
        self.winner = (call, leg, noun)
        for other in self.calls:
            if other is not call:
                other.orders.end.set()
        self.decided.set()

    def ended(self) -> None:
        """One of them is over."""
        self.waiting -= 1
        if self.waiting == 0:
            self.decided.set()

    def report(self) -> tuple[tuple[str, str], ...]:
        """Say what ``action`` is told of it (``#attributes-action`` of the page above)."""
        call = self.winner[0] if self.winner is not None else self._last_to_end()
        if call is None:
            return (("DialCallStatus", "failed"), ("DialBridged", "false"))
        fields = [
            ("DialCallStatus", call.status),
            ("DialCallSid", call.sid),
            ("DialBridged", "true" if self.winner is not None else "false"),
        ]
        if call.duration_s is not None:
            fields.append(("DialCallDuration", str(call.duration_s)))
        if call.request.sip is not None:
            fields.append(("DialSipCallId", call.request.sip.call_id))
            if call.sip_status is not None:
                fields.append(("DialSipResponseCode", str(call.sip_status)))
        return tuple(fields)

    def _last_to_end(self) -> CarrierCall | None:
        ended = [(call.ended, index) for index, call in enumerate(self.calls) if call.ended is not None]
        return self.calls[max(ended)[1]] if ended else None


async def _until(event: asyncio.Event) -> None:
    await event.wait()


@cache
def ringback() -> bytes:
    """The North American ringback tone, two seconds of it and four of silence, as μ-law (ITU-T E.180)."""
    return encode_ulaw(tone([440.0, 480.0], 2000, level_dbfs=-22)) + ulaw_silence(4 * 8000)
