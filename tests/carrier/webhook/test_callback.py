from __future__ import annotations

from aiohttp import web

from bridge.carrier.call.request import CallRequest, Document, StatusCallback
from tests.carrier.call.test_placed import place, told
from tests.carrier.signalling_stage import CallingPhone, FastClock, application, call_in, exchange


async def test_completed_alone_carries_number_zero() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        callback = StatusCallback(f"{program.url}/cb")
        await place(switch, program, "sip:demo@localhost", status_callback=callback)
        assert told(program) == [("0", "completed")]


async def test_only_what_was_subscribed_to_is_told() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        callback = StatusCallback(f"{program.url}/cb", "GET", frozenset({"answered"}))
        await place(switch, program, "sip:demo@localhost", status_callback=callback)
        assert told(program) == [("0", "in-progress")]
        assert program.asked["/cb"][0].method == "GET"
        assert program.asked["/cb"][0].signed()


async def test_an_incoming_call_tells_its_end_only() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        callback = StatusCallback(f"{program.url}/cb", events=frozenset({"ringing", "answered", "completed"}))
        document = Document(twiml="<Response><Say>x</Say></Response>")
        await call_in(switch, document, CallingPhone(), status_callback=callback)
        await program.wait_for(lambda: bool(program.asked["/cb"]))
        assert told(program) == [("0", "completed")]
        assert program.asked["/cb"][0].fields["Direction"] == "inbound"


async def test_an_application_that_answers_with_an_error_is_warned_about() -> None:
    async with application() as program:
        program.answers["/cb"] = web.Response(status=500)
        async with exchange(FastClock()) as switch:  # which waits for its callbacks when it is left
            call = await place(switch, program, "sip:busy@localhost")
        assert call.status == "busy"
        assert [alert.code for alert in call.alerts] == [15003, 15003]


async def test_a_server_that_is_gone_delays_no_call() -> None:
    async with exchange(FastClock()) as switch:
        callback = StatusCallback("http://127.0.0.1:1/cb")
        document = Document(twiml="<Response><Say>x</Say></Response>")
        call = switch.place(
            CallRequest(to="sip:demo@localhost", from_="me", document=document, status_callback=callback)
        )
        await call.finished.wait()
        assert call.status == "completed"
