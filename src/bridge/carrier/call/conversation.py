"""One call from its answer to its end: a document runs until the phone, an order or a limit ends the call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.interpreter import Interpreter
from bridge.carrier.call.limit import time_is_up
from bridge.carrier.call.race import first_of
from bridge.carrier.call.step import Verdict
from bridge.carrier.phone.keypad import press_on
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.line import Line


class Conversation:
    """
    The ``Stage`` on which a call's verbs run.

    Args:
        call: The call.
        leg: Its phone.
        equipment: What it uses.
        pick_up: Tells an incoming call's phone that it is answered; ``None`` where the phone answers.

    """

    def __init__(
        self,
        call: CarrierCall,
        leg: Leg,
        equipment: Equipment,
        *,
        pick_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._call = call
        self._leg = leg
        self._equipment = equipment
        self._pick_up = pick_up
        self._line = Line(leg, equipment.ticker, equipment.clock)

    @property
    def call(self) -> CarrierCall:
        """Whose conversation it is."""
        return self._call

    @property
    def line(self) -> Line:
        """The call's audio."""
        return self._line

    async def answer(self) -> None:
        """Answer the call if it is not answered yet: from here on its time counts and its audio flows."""
        if self._call.answered is not None or self._call.over:
            return
        if self._pick_up is not None:
            await self._pick_up()
        self._call.move("in-progress", self._equipment.clock.utc())
        self._line.start()
        self._call.orders.answered.set()
        self._equipment.callbacks.call_event(self._call, "answered")

    async def run(self) -> Verdict:
        """Run the call's documents until something ends it; then its audio stops, but its phone stays."""
        try:
            _, verdict = await first_of(
                asked=self._asked(), phone=self._phone(), limit=self._limit(), script=self._documents()
            )
            return verdict
        finally:
            self._line.stop()

    async def _asked(self) -> Verdict:
        await self._call.orders.end.wait()
        return "hang-up"

    async def _phone(self) -> Verdict:
        await self._leg.hung_up()
        return "hang-up"

    async def _limit(self) -> Verdict:
        """Return when the call has rung or lasted as long as it may; an update can change the latter."""
        orders, clock = self._call.orders, self._equipment.clock
        rung_s = clock.now_s() + self._call.request.timeout_s
        name, _ = await first_of(answered=orders.answered.wait(), rung=clock.sleep_until_s(rung_s))
        if name == "rung":
            return "hang-up"  # an incoming call whose caller gives up; placed ones are answered by now
        await time_is_up(self._call, clock)
        return "hang-up"

    async def _documents(self) -> Verdict:
        request = self._call.request
        if request.send_digits:
            await press_on(self._line, request.send_digits)
        document = request.document
        while True:
            # What runs is torn down, its stream included, before the next begins.
            interpreter = Interpreter(self, self._equipment)
            _, result = await first_of(
                redirected=self._call.orders.redirected(), script=interpreter.run(document)
            )
            if isinstance(result, str):
                return result
            document = result
