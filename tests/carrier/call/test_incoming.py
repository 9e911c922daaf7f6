from __future__ import annotations

from bridge.carrier.call.request import Document
from tests.carrier.signalling_stage import CallingPhone, FastClock, application, call_in, exchange, twiml


async def test_the_webhook_is_asked_while_it_rings() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        phone = CallingPhone()

        async def voice(asked: object) -> object:
            assert not phone.was_answered.is_set()
            return twiml("<Say>x</Say>")

        program.answers["/voice"] = voice  # type: ignore[assignment]
        call, _ = await call_in(switch, Document(url=f"{program.url}/voice"), phone)
        [asked] = program.asked["/voice"]
        assert asked.signed()
        fields = asked.fields
        assert (fields["CallStatus"], fields["Direction"]) == ("ringing", "inbound")
        assert (fields["From"], fields["To"]) == ("+12025550199", "+15005550006")
        assert (call.status, call.direction) == ("completed", "inbound")
        assert phone.was_answered.is_set()
        assert phone.freed == 1


async def test_a_caller_waits_only_so_long() -> None:
    async with exchange(FastClock()) as switch:
        document = Document(twiml='<Response><Pause length="100"/></Response>')
        call, phone = await call_in(switch, document, timeout_s=5)
        assert (call.status, call.sip_status) == ("no-answer", 487)
        assert phone.refused_with == 487


async def test_a_call_ended_from_outside_before_its_answer_is_canceled() -> None:
    async with application() as program, exchange(FastClock()) as switch:

        async def voice(asked: object) -> object:
            switch.live()[0].orders.end.set()
            return twiml('<Pause length="100"/>')

        program.answers["/voice"] = voice  # type: ignore[assignment]
        call, phone = await call_in(switch, Document(url=f"{program.url}/voice"))
        assert call.status == "canceled"
        assert phone.refused_with == 487
