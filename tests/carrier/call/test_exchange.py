from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document, StatusCallback
from bridge.carrier.phone.leg import Answer, Leg
from bridge.carrier.webhook.callback import Callbacks
from bridge.errors import CallUnknown, CarrierRefused
from tests.carrier.media_stage import ScriptedLeg
from tests.carrier.signalling_stage import (
    TIMEOUT_S,
    CallingPhone,
    FastClock,
    application,
    call_in,
    exchange,
    twiml,
)

SAY = Document(twiml="<Response><Say>x</Say></Response>")


def request(to: str = "sip:busy@localhost", document: Document = SAY) -> CallRequest:
    return CallRequest(to=to, from_="me", document=document)


async def finished(call: CarrierCall) -> CarrierCall:
    async with asyncio.timeout(TIMEOUT_S):
        await call.finished.wait()
    return call


async def test_only_the_latest_calls_are_remembered() -> None:
    async with exchange(FastClock(), max_calls=3) as switch:
        calls = [await finished(switch.place(request())) for _ in range(5)]
        assert [call.sid for call in switch.newest_first()] == [call.sid for call in reversed(calls[2:])]
        with pytest.raises(CallUnknown):
            switch.find(calls[0].sid)
        assert switch.find(calls[4].sid) is calls[4]


async def test_too_many_live_calls_are_refused_and_room_is_found_again() -> None:
    async with exchange(FastClock(), max_calls=2) as switch:
        ringing = [switch.place(request("sip:noanswer@localhost")) for _ in range(2)]
        with pytest.raises(CarrierRefused) as refused:
            switch.place(request())
        assert (refused.value.code, refused.value.status) == (10004, 429)
        ringing[0].orders.end.set()
        await finished(ringing[0])
        assert (await finished(switch.place(request()))).status == "busy"


async def test_a_call_is_forgotten_only_when_it_is_over() -> None:
    async with exchange(FastClock()) as switch:
        call = switch.place(request("sip:noanswer@localhost"))
        assert not switch.forget(call.sid)
        call.orders.end.set()
        await finished(call)
        assert switch.forget(call.sid)
        with pytest.raises(CallUnknown):
            switch.forget(call.sid)


async def test_calls_wait_their_turn_and_one_ended_meanwhile_never_dials() -> None:
    dialled: list[str] = []

    def find_leg(call: CarrierCall) -> Leg | None:
        dialled.append(call.sid)
        return None

    async with exchange(FastClock(), calls_per_second=1.0, find_leg=find_leg) as switch:
        first, second, third = (switch.place(request()) for _ in range(3))
        second.orders.end.set()
        assert (await finished(second)).status == "canceled"
        assert second.callbacks_sent == 0
        assert second.started is None
        await finished(third)
        assert dialled == [first.sid, third.sid]
        assert 1000 < third.queue_ms <= 2000


async def test_one_calls_fault_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenLeg(ScriptedLeg):
        async def dial(self, ringing: Callable[[], None]) -> Answer:
            raise RuntimeError("the phone exploded")

    def find_leg(call: CarrierCall) -> Leg | None:
        return BrokenLeg() if call.request.to == "broken" else ScriptedLeg()

    async with exchange(FastClock(), find_leg=find_leg) as switch:
        healthy = switch.place(request("healthy", Document(twiml='<Response><Pause length="3"/></Response>')))
        with caplog.at_level(logging.ERROR):
            broken = await finished(switch.place(request("broken")))
        assert broken.status == "failed"
        assert "the phone exploded" in caplog.text
        assert not healthy.over
        assert (await finished(healthy)).status == "completed"


async def test_a_callback_that_fails_inside_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("bug")

    async with application() as program, exchange(FastClock()) as switch:
        monkeypatch.setattr(Callbacks, "_send", broken)
        callback = StatusCallback(f"{program.url}/cb")
        with caplog.at_level(logging.ERROR):
            for _ in range(2):
                placed = CallRequest(
                    to="sip:busy@localhost", from_="me", document=SAY, status_callback=callback
                )
                assert (await finished(switch.place(placed))).status == "busy"
    assert caplog.text.count("work beside a call failed") == 2


async def test_stopping_waits_only_so_long_for_an_application_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.carrier.call.exchange._GRACE_S", 0.05)
    reached, left = asyncio.Event(), asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        while await reader.read(65_536):
            pass
        writer.close()
        left.set()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/voice"
        callback = StatusCallback(url, events=frozenset({"initiated"}))
        async with asyncio.timeout(TIMEOUT_S), exchange(FastClock()) as switch:
            placed = CallRequest(
                to="sip:noanswer@localhost", from_="me", document=SAY, status_callback=callback
            )
            call = switch.place(placed)
            await reached.wait()
        assert call.status == "canceled"
        async with asyncio.timeout(TIMEOUT_S):
            await left.wait()


async def test_what_was_noted_on_creation_is_warned_about() -> None:
    async with exchange(FastClock()) as switch:
        noted = CallRequest(to="sip:busy@localhost", from_="me", document=SAY, notes=((32019, "both"),))
        assert [str(alert) for alert in switch.place(noted).alerts] == ["32019: both"]


async def test_leaving_ends_every_call_and_its_stream() -> None:
    async with application() as program:
        url = f"{program.url.replace('http', 'ws')}/media-stream"
        program.answers["/voice"] = twiml(f'<Connect><Stream url="{url}"/></Connect>')
        phone = CallingPhone()
        async with exchange(FastClock(2)) as switch, asyncio.TaskGroup() as group:
            incoming = group.create_task(call_in(switch, Document(url=f"{program.url}/voice"), phone))
            ringing = switch.place(request("sip:noanswer@localhost"))
            await program.wait_for(lambda: bool(program.streams) and len(program.streams[0]) > 3)
            for call in switch.live():
                call.orders.end.set()
        assert program.streams[0][-1]["event"] == "stop"
        assert incoming.result()[0].status == "completed"
        assert ringing.status == "canceled"
        with pytest.raises(CarrierRefused) as refused:
            switch.place(request())
        assert refused.value.status == 503


async def test_stopping_does_not_wait_for_a_phone_that_rings() -> None:
    async with exchange(FastClock(2)) as switch:
        ringing = switch.place(request("sip:noanswer@localhost"))
    assert (ringing.status, ringing.over) == ("canceled", True)


async def test_numbers_are_masked_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with exchange(FastClock()) as switch:
            await finished(switch.place(CallRequest(to="+15551234567", from_="+15005550006", document=SAY)))
    assert "+15551234567" not in caplog.text
    assert "+15005550006" not in caplog.text
    assert "1555" in caplog.text
