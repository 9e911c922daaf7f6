from __future__ import annotations

import asyncio
from functools import partial

from bridge.carrier.call.request import CallRequest, Document
from tests.carrier.signalling_stage import TIMEOUT_S, FastClock, application, exchange, twiml


async def test_redirects_replace_what_runs_as_often_as_wanted() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        for name in ("one", "two", "three"):
            program.answers[f"/{name}"] = twiml('<Pause length="3600"/>')
        document = Document(url=f"{program.url}/one")
        call = switch.place(CallRequest(to="sip:demo@localhost", from_="me", document=document))
        for before, after in (("/one", "/two"), ("/two", "/three")):
            await program.wait_for(partial(program.asked.__contains__, before))
            call.orders.redirect(Document(url=program.url + after))
        await program.wait_for(partial(program.asked.__contains__, "/three"))
        assert not call.over
        call.orders.redirect(Document(twiml="<Response><Hangup/></Response>"))
        async with asyncio.timeout(TIMEOUT_S):
            await call.finished.wait()
        assert call.status == "completed"
        assert [len(program.asked[f"/{name}"]) for name in ("one", "two", "three")] == [1, 1, 1]


async def test_a_limit_raised_in_time_holds() -> None:
    clock = FastClock()
    async with application() as program, exchange(clock) as switch:
        program.answers["/voice"] = twiml('<Pause length="8"/>')
        document = Document(url=f"{program.url}/voice")
        request = CallRequest(to="sip:demo@localhost", from_="me", document=document, time_limit_s=5)
        call = switch.place(request)
        await program.wait_for(lambda: bool(program.asked["/voice"]))
        call.request = CallRequest(to=request.to, from_="me", document=document, time_limit_s=100)
        call.orders.limit_changed.set()
        async with asyncio.timeout(TIMEOUT_S):
            await call.finished.wait()
        assert call.duration_s is not None
        assert call.duration_s >= 8


async def test_a_call_without_anything_to_do_frees_its_phone_and_the_ticker() -> None:
    async with exchange(FastClock()) as switch:
        document = Document(twiml="<Response><Say>x</Say></Response>")
        call = switch.place(CallRequest(to="sip:demo@localhost", from_="me", document=document))
        async with asyncio.timeout(TIMEOUT_S):
            await call.finished.wait()
        assert not any(switch.ticker._slots)
