from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.audio.g711 import encode_ulaw
from bridge.audio.tone import dtmf, tone
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.exchange import Exchange
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.call.verb_dial import ringback
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.route import Routes
from bridge.carrier.phone.wav_phone import WavPhone
from tests.carrier.call.test_interpreter import codes, inline
from tests.carrier.signalling_stage import (
    SPOKEN,
    TIMEOUT_S,
    Application,
    CallingPhone,
    FastClock,
    application,
    call_in,
    exchange,
    twiml,
)

DEMO = "<Sip>sip:demo@localhost</Sip>"


def voice(program: Application, body: str) -> Document:
    program.answers["/voice"] = twiml(body)
    program.answers["/done"] = twiml("<Hangup/>")
    return Document(url=f"{program.url}/voice")


def told(program: Application) -> dict[str, str]:
    """What the action was told of the dialled call."""
    [asked] = program.asked["/done"]
    assert asked.signed()
    return {name: value for name, value in asked.fields.items() if name.startswith("Dial")}


def child(switch: Exchange, parent: CarrierCall) -> CarrierCall:
    [found] = [call for call in switch.newest_first() if call.parent_sid == parent.sid]
    return found


async def until(condition: Any) -> None:
    """Look again whenever anything else has run; real time passes in between."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_two_phones_hear_each_other_and_the_action_is_told_how_it_went() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        call, phone = await call_in(
            switch, voice(program, f'<Dial action="/done" method="GET">{DEMO}</Dial><Say>never</Say>')
        )
        assert call.status == "completed"
        assert SPOKEN in phone.heard
        dialled = child(switch, call)
        assert (dialled.status, dialled.direction, dialled.sip_status) == ("completed", "outbound-dial", 200)
        assert dialled.request.from_ == "+12025550199"
        assert dialled.request.sip is not None
        assert program.asked["/done"][0].method == "GET"
        assert told(program) == {
            "DialCallStatus": "completed",
            "DialCallSid": dialled.sid,
            "DialBridged": "true",
            "DialCallDuration": str(dialled.duration_s),
            "DialSipCallId": dialled.request.sip.call_id,
            "DialSipResponseCode": "200",
        }


@pytest.mark.parametrize(
    ("user", "status", "code"),
    [
        ("busy", "busy", "486"),
        ("declined", "busy", "603"),
        ("noanswer", "no-answer", "487"),
        ("unreachable", "failed", "404"),
        ("nobody", "failed", "404"),
    ],
)
async def test_how_a_dial_without_an_answer_is_reported(user: str, status: str, code: str) -> None:
    async with application() as program, exchange(FastClock()) as switch:
        body = f'<Dial action="/done" timeout="2"><Sip>sip:{user}@localhost</Sip></Dial>'
        call, phone = await call_in(switch, voice(program, body))
        fields = told(program)
        assert (fields["DialCallStatus"], fields["DialSipResponseCode"]) == (status, code)
        assert fields["DialBridged"] == "false"
        assert "DialCallDuration" not in fields
        assert fields["DialCallSid"] == child(switch, call).sid
        assert SPOKEN not in phone.heard


async def test_without_an_action_the_next_verb_runs() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline(f'<Dial>{DEMO}</Dial><Play digits="5"/>'))
        assert SPOKEN in phone.heard
        assert encode_ulaw(dtmf("5")) in phone.heard
        assert codes(call) == []


async def test_the_first_answer_wins_and_the_other_phones_stop_ringing() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        others = "<Sip>sip:noanswer@localhost</Sip><Sip>sip:busy@localhost</Sip>"
        call, phone = await call_in(switch, voice(program, f'<Dial action="/done">{others}{DEMO}</Dial>'))
        dialled = [one for one in switch.newest_first() if one.parent_sid == call.sid]
        assert sorted(one.status for one in dialled) == ["busy", "canceled", "completed"]
        assert told(program)["DialCallStatus"] == "completed"
        assert SPOKEN in phone.heard


async def test_the_caller_hears_it_ring_meanwhile() -> None:
    async with exchange(FastClock()) as switch:
        _, phone = await call_in(switch, inline('<Dial timeout="3"><Sip>sip:noanswer@localhost</Sip></Dial>'))
        assert ringback()[:8000] in phone.heard


async def test_with_answer_on_bridge_the_caller_is_answered_with_the_dialled_phone() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline(f'<Dial answerOnBridge="true">{DEMO}</Dial>'))
        dialled = child(switch, call)
        assert call.answered is not None
        assert dialled.answered is not None
        assert call.answered >= dialled.answered
        assert ringback()[:800] not in phone.heard
        assert SPOKEN in phone.heard


async def test_with_answer_on_bridge_a_caller_can_still_be_refused() -> None:
    body = '<Dial answerOnBridge="true"><Sip>sip:busy@localhost</Sip></Dial><Reject reason="busy"/>'
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline(body))
        assert (call.status, phone.refused_with) == ("busy", 486)


class PressingPhone(CallingPhone):
    """Presses digits as soon as it hears the other side speak."""

    def __init__(self, digits: str) -> None:
        super().__init__()
        self._digits = digits

    def digits(self) -> str:
        if SPOKEN[:160] not in self.heard:
            return ""
        pressed, self._digits = self._digits, ""
        return pressed


async def test_the_star_hangs_up_the_dialled_phone_and_the_caller_goes_on() -> None:
    clock = FastClock()
    phones = Routes(SPOKEN, clock, ring_s=0.2, hang_up_after_s=600)
    async with application() as program, exchange(clock, find_leg=phones.find_leg) as switch:
        body = f'<Dial action="/done" hangupOnStar="true">{DEMO}</Dial>'
        call, _ = await call_in(switch, voice(program, body), PressingPhone("*"))
        assert told(program)["DialCallStatus"] == "completed"
        assert child(switch, call).status == "completed"


class DigitPhone(WavPhone):
    """Takes digits beside its audio."""

    def __init__(self, clock: FastClock) -> None:
        super().__init__(SPOKEN, clock=clock, ring_s=0.1, hang_up_after_s=0.5)
        self.pressed = ""
        self.heard = bytearray()

    def press(self, digits: str) -> bool:
        self.pressed += digits
        return True

    def hear(self, payload: bytes) -> None:
        self.heard += payload


async def test_digits_reach_the_dialled_phone_beside_the_audio_where_it_takes_them() -> None:
    clock = FastClock()
    leg = DigitPhone(clock)
    async with exchange(clock, find_leg=lambda _call: leg) as switch:
        await call_in(
            switch, inline('<Dial><Number sendDigits="7">+12025550123</Number></Dial>'), PressingPhone("4*2")
        )
        assert leg.pressed == "4*2"
        assert encode_ulaw(dtmf("7")) in leg.heard


async def test_digits_reach_any_other_phone_as_tones() -> None:
    clock = FastClock()
    heard = bytearray()

    class Listening(WavPhone):
        def hear(self, payload: bytes) -> None:
            heard.extend(payload)

    def find_leg(_call: CarrierCall) -> Leg:
        return Listening(SPOKEN, clock=clock, ring_s=0.1, hang_up_after_s=1)

    async with exchange(clock, find_leg=find_leg) as switch:
        await call_in(switch, inline(f"<Dial>{DEMO}</Dial>"), PressingPhone("42"))
        for digit in "42":
            assert encode_ulaw(dtmf(digit)) in heard


async def test_a_time_limit_ends_the_dialled_call() -> None:
    clock = FastClock()
    phones = Routes(SPOKEN, clock, ring_s=0.2, hang_up_after_s=600)
    async with exchange(clock, find_leg=phones.find_leg) as switch:
        call, _ = await call_in(switch, inline(f'<Dial timeLimit="3">{DEMO}</Dial>'))
        dialled = child(switch, call)
        assert dialled.status == "completed"
        assert dialled.duration_s in {3, 4}
        assert "time limit of 3 s" in str(dialled.alerts[0])


@pytest.mark.parametrize("user", ["demo", "noanswer"])
async def test_a_caller_who_hangs_up_ends_the_dialled_call_as_well(user: str) -> None:
    clock = FastClock()
    phone = CallingPhone()
    phones = Routes(SPOKEN, clock, ring_s=0.2, hang_up_after_s=600)
    async with exchange(clock, find_leg=phones.find_leg) as switch, asyncio.TaskGroup() as group:
        body = inline(f"<Dial><Sip>sip:{user}@localhost</Sip></Dial>")
        calling = group.create_task(call_in(switch, body, phone))
        wanted = "in-progress" if user == "demo" else "ringing"
        await until(lambda: any(one.parent_sid and one.status == wanted for one in switch.newest_first()))
        phone.give_up()
        call, _ = await calling
        dialled = child(switch, call)
        assert dialled.status == ("completed" if user == "demo" else "canceled")
        assert call.status == "completed"
        assert not any(switch.ticker._slots)


async def test_the_dialled_call_can_be_ended_from_outside() -> None:
    clock = FastClock()
    phones = Routes(SPOKEN, clock, ring_s=0.2, hang_up_after_s=600)
    async with application() as program, exchange(clock, find_leg=phones.find_leg) as switch:
        async with asyncio.TaskGroup() as group:
            document = voice(program, f'<Dial action="/done">{DEMO}</Dial>')
            calling = group.create_task(call_in(switch, document))
            await until(lambda: any(one.parent_sid and one.answered for one in switch.newest_first()))
            child(switch, next(one for one in switch.newest_first() if not one.parent_sid)).orders.end.set()
        call, _ = calling.result()
        assert told(program)["DialCallStatus"] == "completed"
        assert call.status == "completed"


async def test_the_nouns_own_callback_is_told_of_the_dialled_call() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        noun = '<Sip statusCallback="/cb" statusCallbackEvent="ringing answered">sip:demo@localhost</Sip>'
        call, _ = await call_in(switch, voice(program, f"<Dial>{noun}</Dial>"))
        await program.wait_for(lambda: len(program.asked["/cb"]) == 2)
        assert {asked.fields["CallStatus"] for asked in program.asked["/cb"]} == {"ringing", "in-progress"}
        assert {asked.fields["ParentCallSid"] for asked in program.asked["/cb"]} == {call.sid}


async def test_a_placed_call_can_dial_as_well_and_both_phones_record_the_other(tmp_path: Path) -> None:
    clock = FastClock()
    phones = Routes(encode_ulaw(tone([440.0], 500)), clock, tmp_path, ring_s=0.2, hang_up_after_s=0.5)
    async with exchange(clock, find_leg=phones.find_leg) as switch:
        call = switch.place(
            CallRequest(to="sip:demo@localhost", from_="bridge", document=inline(f"<Dial>{DEMO}</Dial>"))
        )
        async with asyncio.timeout(TIMEOUT_S):
            await call.finished.wait()
    assert child(switch, call).request.from_ == "bridge"
    assert len(list(tmp_path.glob("*-phone.wav"))) == 2


async def test_one_phones_fault_leaves_the_others_ringing(caplog: pytest.LogCaptureFixture) -> None:
    clock = FastClock()
    phones = Routes(SPOKEN, clock, ring_s=0.2, hang_up_after_s=0.5)

    def find_leg(call: CarrierCall) -> Leg | None:
        if "busy" in call.request.to:
            raise RuntimeError("the phone exploded")
        return phones.find_leg(call)

    async with application() as program, exchange(clock, find_leg=find_leg) as switch:
        body = f'<Dial action="/done"><Sip>sip:busy@localhost</Sip>{DEMO}</Dial>'
        _, phone = await call_in(switch, voice(program, body))
        assert told(program)["DialCallStatus"] == "completed"
        assert SPOKEN in phone.heard
        assert "the phone exploded" in caplog.text


async def test_a_full_carrier_fails_the_dial_with_twilios_code() -> None:
    async with application() as program, exchange(FastClock(), max_calls=1) as switch:
        call, _ = await call_in(switch, voice(program, f'<Dial action="/done">{DEMO}</Dial>'))
        assert told(program) == {"DialCallStatus": "failed", "DialBridged": "false"}
        assert codes(call) == [10004]
