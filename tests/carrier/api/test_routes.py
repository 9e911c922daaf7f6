from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from tests.carrier.api.test_resource import CALL, SPECIFICATION, validate
from tests.carrier.signalling_stage import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    Carrier,
    FastClock,
    LocalHttpClient,
    application,
    carrier,
    twiml,
)

CREATE = SPECIFICATION["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]["requestBody"]
PROPERTIES: dict[str, Any] = CREATE["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
HOLD = '<Response><Pause length="3600"/></Response>'


async def raw(local: Carrier, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any], Any]:
    """Ask without the helper library."""
    login = f"Basic {b64encode(f'{ACCOUNT_SID}:{AUTH_TOKEN}'.encode()).decode()}"
    headers = options.pop("headers", {"Authorization": login})
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, local.url + path, headers=headers, **options) as response,
    ):
        body = await response.read()
        return response.status, json.loads(body) if body else {}, response.headers


async def refusal(awaitable: Any) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as refused:
        await awaitable
    return refused.value.status, refused.value.code


async def test_the_helper_library_creates_and_fetches_a_call() -> None:
    async with carrier(FastClock()) as local:
        created = await local.create(twiml=HOLD)
        assert created.status == "queued"
        assert created.direction == "outbound-api"
        assert (created.to, created.from_formatted) == ("sip:demo@localhost", "(500) 555-0006")
        assert created.start_time is None
        fetched = await local.fetch(created.sid)
        assert (fetched.sid, fetched.account_sid) == (created.sid, ACCOUNT_SID)


async def test_every_parameter_of_twilios_description_is_taken() -> None:
    values = {
        "To": "+12025550123",
        "From": "+15005550006",
        "Byoc": "BY" + "0" * 32,
        "Timeout": "30",
        "TimeLimit": "60",
        "SendDigits": "1w2",
        "SipAuthUsername": "user",
        "SipAuthPassword": "password",
        "MachineDetection": "Enable",
        "MachineDetectionTimeout": "30",
        "MachineDetectionSpeechThreshold": "2400",
        "MachineDetectionSpeechEndThreshold": "1200",
        "MachineDetectionSilenceTimeout": "5000",
        "AsyncAmd": "true",
        "StatusCallbackEvent": "completed",
        "RecordingStatusCallbackEvent": "completed",
        "Twiml": "<Response/>",
        "Record": "true",
    }
    for name, schema in PROPERTIES.items():
        if schema.get("format") == "uri":
            values[name] = "http://127.0.0.1:9/x"
        elif schema.get("format") == "http-method":
            values[name] = "GET"
    del values["Url"]
    async with carrier(FastClock(), trunk_sids=[values["Byoc"]]) as local:
        path = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls.json"
        status, resource, _ = await raw(local, "POST", path, data=values)
        assert (status, resource.get("code")) == (201, None)
        validate(resource, CALL)
        left = PROPERTIES.keys() - values.keys() - {"Url", "ApplicationSid"}
        assert left == {
            "CallerId",
            "CallReason",
            "CallToken",
            "RecordingChannels",
            "RecordingStatusCallback",
            "RecordingTrack",
            "Trim",
        }  # plain strings, read elsewhere or not used here


async def test_the_helper_library_cancels_a_ringing_call() -> None:
    async with carrier(FastClock()) as local:
        created = await local.create(to="sip:noanswer@localhost", twiml=HOLD)
        await asyncio.to_thread(lambda: local.client.calls(created.sid).update(status="canceled"))
        assert (await local.over(created.sid)).status == "canceled"


async def test_the_helper_library_completes_a_live_call() -> None:
    async with application() as program, carrier(FastClock()) as local:
        program.answers["/voice"] = twiml('<Pause length="3600"/>')
        created = await local.create(url=f"{program.url}/voice")
        await program.wait_for(lambda: bool(program.asked["/voice"]))
        unchanged = await local.update(created.sid, status="canceled")  # leaves a live call alone
        assert unchanged.status == "in-progress"
        await local.update(created.sid, status="completed")
        ended = await local.over(created.sid)
        assert ended.status == "completed"
        assert int(ended.duration) >= 1
        assert ended.end_time >= ended.start_time


async def test_the_helper_library_redirects_a_live_call() -> None:
    async with application() as program, carrier(FastClock()) as local:
        program.answers["/voice"] = twiml('<Pause length="3600"/>')
        program.answers["/next"] = twiml('<Pause length="3600"/>')
        created = await local.create(url=f"{program.url}/voice")
        assert (
            await refusal(local.update(created.sid, url=f"{program.url}/next")) == (400, 21220)
            or (
                program.asked["/voice"]  # it may have been answered by now
            )
        )
        await program.wait_for(lambda: bool(program.asked["/voice"]))
        await local.update(created.sid, url=f"{program.url}/next", method="GET")
        await program.wait_for(lambda: bool(program.asked["/next"]))
        assert program.asked["/next"][0].method == "GET"
        await local.update(created.sid, twiml="<Response><Hangup/></Response>")
        assert (await local.over(created.sid)).status == "completed"
        assert await refusal(local.update(created.sid, twiml=HOLD)) == (400, 21220)


async def test_the_helper_library_lists_calls() -> None:
    clock = FastClock()
    async with carrier(clock) as local:
        ended = [await local.create(to="sip:busy@localhost", twiml=HOLD) for _ in range(5)]
        for call in ended:
            await local.over(call.sid)
        live = await local.create(twiml=HOLD)
        newest_first = [live.sid, *(call.sid for call in reversed(ended))]

        def sids(**filters: Any) -> list[str]:
            return [call.sid for call in local.client.calls.list(**filters)]

        assert await asyncio.to_thread(sids) == newest_first
        assert await asyncio.to_thread(lambda: sids(page_size=2)) == newest_first
        assert await asyncio.to_thread(lambda: sids(status="busy", limit=3, page_size=2)) == newest_first[1:4]
        assert await asyncio.to_thread(lambda: sids(to="sip:demo@localhost")) == [live.sid]
        tomorrow = clock.utc() + timedelta(days=1)
        assert await asyncio.to_thread(lambda: sids(start_time_after=tomorrow)) == []
        assert await asyncio.to_thread(lambda: sids(start_time_before=tomorrow)) == newest_first


async def test_the_helper_library_deletes_an_ended_call() -> None:
    async with carrier(FastClock()) as local:
        live = await local.create(twiml=HOLD)
        assert await refusal(asyncio.to_thread(lambda: local.client.calls(live.sid).delete())) == (409, 20009)
        ended = await local.create(to="sip:busy@localhost", twiml=HOLD)
        await local.over(ended.sid)
        assert await asyncio.to_thread(lambda: local.client.calls(ended.sid).delete()) is True
        assert await refusal(local.fetch(ended.sid)) == (404, 20404)


async def test_the_helper_library_understands_refusals() -> None:
    async with carrier(FastClock()) as local:
        assert await refusal(local.create(to="+15005550001", twiml=HOLD)) == (400, 21217)
        assert await refusal(local.create(to="")) == (400, 21201)
        assert await refusal(local.create()) == (400, 21205)
        stranger = Client(ACCOUNT_SID, "wrong", http_client=LocalHttpClient(local.url))
        assert await refusal(asyncio.to_thread(lambda: stranger.calls("CA1").fetch())) == (401, 20003)
        other = Client("AC" + "b" * 32, AUTH_TOKEN, http_client=LocalHttpClient(local.url))
        assert await refusal(asyncio.to_thread(lambda: other.calls("CA1").fetch())) == (401, 20003)


async def test_errors_have_twilios_shape() -> None:
    async with carrier(FastClock()) as local:
        base = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
        status, body, headers = await raw(local, "GET", f"{base}/Calls.json", headers={})
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Basic")
        assert body == {
            "code": 20003,
            "message": "Authentication Error - invalid username",
            "more_info": "https://www.twilio.com/docs/errors/20003",
            "status": 401,
        }
        for path in (f"{base}/Calls/CA{'0' * 32}.json", f"{base}/Messages.json", "/nowhere"):
            status, body, _ = await raw(local, "GET", path)
            assert (status, body["code"], body["status"]) == (404, 20404, 404)
            assert path in body["message"]
        path = f"/2010-04-01/Accounts/AC{'b' * 32}/Calls.json"
        status, body, _ = await raw(local, "GET", path)
        assert (status, body["code"]) == (404, 20404)
        status, body, _ = await raw(local, "PUT", f"{base}/Calls.json")
        assert (status, body["code"]) == (405, 20004)
        status, body, _ = await raw(local, "POST", f"{base}/Calls.json", data=b"\xff\xfe")
        assert (status, body["code"]) == (400, 21201)
        status, body, _ = await raw(local, "POST", f"{base}/Calls.json", data=[("A", "1")] * 300)
        assert status == 400


async def test_the_refused_and_the_found_agree_with_twilios_description() -> None:
    async with carrier(FastClock()) as local:
        created = await local.create(to="sip:busy@localhost", twiml=HOLD)
        await local.over(created.sid)
        base = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls"
        status, resource, _ = await raw(local, "GET", f"{base}/{created.sid}.json")
        assert status == 200
        validate(resource, CALL)
        schema = SPECIFICATION["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["get"]["responses"][
            "200"
        ]
        _, page, _ = await raw(local, "GET", f"{base}.json")
        validate(page, schema["content"]["application/json"]["schema"])
