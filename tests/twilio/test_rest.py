"""The Calls API: requests against Twilio's own description of it, and every way in which it can fail."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.calls.placing import create_arguments, read_place_call
from bridge.errors import CallUnknown, CarrierRefused, CarrierUnreachable, ConfigurationError
from bridge.twilio.rest import MAX_TIMEOUT_S, CallState, TwilioRest
from tests.twilio.api_stage import Answer, says, stage

ACCOUNT, TOKEN = "AC" + "a" * 32, "secret"
CALL = "CA" + "1" * 32
CREATED = json.dumps({"sid": CALL, "status": "queued", "date_created": None, "subresource_uris": {}})
SPEC = json.loads((Path(__file__).parent.parent / "data" / "twilio_calls.openapi.json").read_text())
LEAST = {"to": "sip:demo@localhost", "from_": "bridge", "twiml": "<Response/>"}

Open = Callable[..., Awaitable[TwilioRest]]


@pytest.fixture
async def open_rest() -> AsyncIterator[Open]:
    opened: list[TwilioRest] = []

    async def make(api_base: str | None, timeout_s: float = 5.0) -> TwilioRest:
        opened.append(TwilioRest(ACCOUNT, TOKEN, api_base=api_base, timeout_s=timeout_s))
        return opened[-1]

    yield make
    for rest in opened:
        await rest.close()


def check_against_spec(path: str, form: list[tuple[str, str]]) -> None:
    """Hold a form against the request schema of one path, by the few rules that the schema uses."""
    body = SPEC["paths"][path]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    schema: dict[str, Any] = body["schema"]
    names = [name for name, _ in form]
    assert set(schema.get("required", ())) <= set(names)
    for name, value in form:
        rule = schema["properties"][name]
        if rule.get("type") == "array":
            rule = rule["items"]
        else:
            assert names.count(name) == 1
        if "$ref" in rule:
            rule = SPEC["components"]["schemas"][rule["$ref"].rpartition("/")[2]]
        assert "enum" not in rule or value in rule["enum"]
        assert "pattern" not in rule or re.search(rule["pattern"], value)
        assert rule["type"] != "integer" or re.fullmatch(r"-?[0-9]+", value)
        assert rule["type"] != "boolean" or value in {"true", "false"}
        assert rule.get("format") != "uri" or value.startswith(("http://", "https://"))


EVERY_OPTION = {
    "to": "+12025550123",
    "from": "+12025550199",
    "byoc": "BY" + "a" * 32,
    "status_callback": "https://example.com/s",
    "timeout": 30,
    "time_limit": 3600,
    "machine_detection": "Enable",
    "machine_detection_timeout": 20,
    "machine_detection_speech_threshold": 2400,
    "machine_detection_speech_end_threshold": 1200,
    "machine_detection_silence_timeout": 5000,
    "async_amd": True,
    "record": True,
    "recording_channels": "dual",
    "recording_track": "both",
    "recording_status_callback": "https://example.com/r",
    "recording_status_callback_method": "POST",
    "recording_status_callback_event": ["completed", "absent"],
    "trim": "do-not-trim",
    "caller_id": "+12025550188",
    "call_reason": "Your order",
}


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (
            {"to": "sip:demo@localhost"},
            {"To": "sip:demo@localhost", "From": "bridge", "Twiml": "<Response/>"},
        ),
        (
            EVERY_OPTION,
            {
                "Byoc": "BY" + "a" * 32,
                "Timeout": "30",
                "Record": "true",
                "AsyncAmd": "true",
                "Trim": "do-not-trim",
            },
        ),
        (
            {"to": "sip:a@h", "sip_auth_username": "u", "sip_auth_password": "p ä&=+", "send_digits": "1wW#"},
            {"SipAuthUsername": "u", "SipAuthPassword": "p ä&=+", "SendDigits": "1wW#"},
        ),
        (
            {"to": "sip:a@h", "url": "https://h/t", "method": "GET", "fallback_url": "https://h/f"},
            {"Url": "https://h/t", "Method": "GET", "FallbackUrl": "https://h/f"},
        ),
    ],
)
async def test_requests_are_what_the_description_asks_for(
    open_rest: Open, fields: dict[str, object], sent: dict[str, str]
) -> None:
    async with stage(says(201, CREATED)) as api:
        arguments = create_arguments(
            read_place_call(fields),
            twiml="<Response/>",
            status_callback="https://b/call-status",
            amd_callback="https://b/amd-status",
        )
        assert await (await open_rest(api.url)).place(arguments) == CALL
    (taken,) = api.taken
    assert (taken.method, taken.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert taken.headers["authorization"] == "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert taken.headers["content-type"] == "application/x-www-form-urlencoded"
    assert taken.headers["user-agent"].startswith("twilio-python/")
    check_against_spec("/2010-04-01/Accounts/{AccountSid}/Calls.json", taken.form)
    assert sent.items() <= dict(taken.form).items()
    events = [value for name, value in taken.form if name == "StatusCallbackEvent"]
    assert events == ["initiated", "ringing", "answered", "completed"]
    assert dict(taken.form)["StatusCallback"] == "https://b/call-status"


async def test_hanging_up_and_redirecting(open_rest: Open) -> None:
    async with stage(says(200, CREATED)) as api:
        rest = await open_rest(api.url)
        await rest.hang_up(CALL)
        await rest.redirect(CALL, "<Response/>")
    assert [(taken.path, taken.form) for taken in api.taken] == [
        (f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json", [("Status", "completed")]),
        (f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json", [("Twiml", "<Response/>")]),
    ]
    for taken in api.taken:
        check_against_spec("/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json", taken.form)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"status": "in-progress", "duration": None}, CallState("in-progress")),
        ({"status": "completed", "duration": "7"}, CallState("completed", 7)),
        ({"status": "no-answer", "duration": "-1", "end_time": "99 Foo"}, CallState("no-answer")),
        ({"status": "completed", "duration": "9" * 5000}, CallState("completed")),
    ],
)
async def test_asking_how_a_call_stands(open_rest: Open, fields: dict[str, object], state: CallState) -> None:
    async with stage(says(200, json.dumps({"sid": CALL, **fields}))) as api:
        assert await (await open_rest(api.url)).state_of(CALL) == state
    (taken,) = api.taken
    assert (taken.method, taken.path) == ("GET", f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json")


@pytest.mark.parametrize("fields", [{}, {"status": "dancing"}, {"status": ["completed"]}])
async def test_a_call_in_no_known_state(open_rest: Open, fields: dict[str, object]) -> None:
    async with stage(says(200, json.dumps({"sid": CALL, **fields}))) as api:
        with pytest.raises(CarrierUnreachable, match="no known state"):
            await (await open_rest(api.url)).state_of(CALL)


async def test_a_call_that_nobody_knows(open_rest: Open) -> None:
    async with stage(says(404, '{"code": 20404, "message": "not found"}')) as api:
        with pytest.raises(CarrierRefused) as raised:
            await (await open_rest(api.url)).state_of(CALL)
    assert raised.value.status == 404


@pytest.mark.parametrize("sid", ["", "CA1", "../../Accounts", f"{CALL}/Recordings", "MZ" + "1" * 32])
async def test_nothing_but_a_sid_gets_into_a_path(open_rest: Open, sid: str) -> None:
    async with stage(says(200, CREATED)) as api:
        rest = await open_rest(api.url)
        with pytest.raises(CallUnknown):
            await rest.hang_up(sid)
        with pytest.raises(CallUnknown):
            await rest.redirect(sid, "<Response/>")
        with pytest.raises(CallUnknown):
            await rest.state_of(sid)
    assert not api.taken


async def test_the_base_may_have_a_path_and_a_slash(open_rest: Open) -> None:
    async with stage(says(201, CREATED)) as api:
        await (await open_rest(f"{api.url}/twilio/")).place(LEAST)
    assert api.taken[0].path == f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Calls.json"


async def test_edges_and_regions_of_the_environment_are_not_obeyed(
    open_rest: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC" + "b" * 32)
    async with stage(says(201, CREATED)) as api:
        await (await open_rest(api.url)).place(LEAST)
    assert ACCOUNT in api.taken[0].path


@pytest.mark.parametrize(
    ("status", "body", "code", "more_info", "text"),
    [
        (
            400,
            {
                "code": 21211,
                "message": "Invalid 'To'",
                "more_info": "https://www.twilio.com/docs/errors/21211",
                "status": 400,
            },
            21211,
            "https://www.twilio.com/docs/errors/21211",
            "Invalid 'To'",
        ),
        (401, {"code": 20003, "message": "Authenticate", "status": 401}, 20003, None, "Authenticate"),
        (429, {"code": 20429, "message": "Too Many Requests"}, 20429, None, "Too Many"),
        (
            400,
            {"type": "https://t/20001", "title": "Bad", "status": 400, "code": 20001, "detail": "To is odd"},
            20001,
            "https://t/20001",
            "Bad To is odd",
        ),
        (404, {}, None, None, "404 without a message"),
        (400, {"code": "x", "message": 5, "more_info": []}, None, None, "400 without a message"),
    ],
)
async def test_refusals_keep_twilios_words(
    open_rest: Open, status: int, body: dict[str, object], code: int | None, more_info: str | None, text: str
) -> None:
    async with stage(says(status, json.dumps(body))) as api:
        with pytest.raises(CarrierRefused, match=text) as raised:
            await (await open_rest(api.url)).place(LEAST)
    assert (raised.value.status, raised.value.code, raised.value.more_info) == (status, code, more_info)


@pytest.mark.parametrize(
    "answer",
    [
        says(500, '{"message": "oops"}'),
        says(503, "<html>", "text/html"),
        says(404, "<html>not here", "text/html"),
        says(401, "no", "text/plain"),
        says(201, "<html>", "text/html"),
        says(201, ""),
        says(201, "null"),
        says(201, "[]"),
        says(201, "{}"),
        says(201, '{"sid": 5}'),
        says(201, '{"sid": "CA1"}'),
        says(201, "[" * 100_000),
        says(302, '{"sid": "CA1"}'),
    ],
)
async def test_answers_that_are_none(open_rest: Open, answer: Answer) -> None:
    async with stage(answer) as api:
        with pytest.raises(CarrierUnreachable):
            await (await open_rest(api.url)).place(LEAST)
    assert len(api.taken) == 1  # a call is never placed twice


async def test_text_in_no_known_encoding(open_rest: Open) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xfe{", headers={"Content-Type": "application/json; charset=utf-8"})

    async with stage(answer) as api:
        with pytest.raises(CarrierUnreachable, match="no text"):
            await (await open_rest(api.url)).place(LEAST)


async def test_redirects_are_not_followed(open_rest: Open) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": "/elsewhere"}, text="{}")

    async with stage(answer) as api:
        with pytest.raises(CarrierUnreachable, match="307"):
            await (await open_rest(api.url)).place(LEAST)
    assert len(api.taken) == 1


async def test_a_slow_answer(open_rest: Open) -> None:
    over = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await over.wait()
        return web.Response(text=CREATED)

    async with stage(answer) as api:
        with pytest.raises(CarrierUnreachable, match=r"within 0\.2 s") as raised:
            await (await open_rest(api.url, timeout_s=0.2)).place(LEAST)
        over.set()
    assert isinstance(raised.value.__cause__, TimeoutError)


async def test_an_answer_that_drips(open_rest: Open) -> None:
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"sid": ')
        await over.wait()
        return response

    async with stage(answer) as api:
        with pytest.raises(CarrierUnreachable, match="within"):
            await (await open_rest(api.url, timeout_s=0.2)).place(LEAST)
        over.set()


async def test_an_answer_that_breaks_off(open_rest: Open) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"sid": ')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with stage(answer) as api:
        with pytest.raises(CarrierUnreachable, match="cannot be reached"):
            await (await open_rest(api.url)).place(LEAST)


async def test_nobody_listens(open_rest: Open) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses everybody
        rest = await open_rest(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(CarrierUnreachable, match="cannot be reached"):
            await rest.place(LEAST)


async def test_no_such_host(open_rest: Open) -> None:
    rest = await open_rest("http://no-such-host.invalid:5070")  # RFC 6761 section 6.4: never resolves
    with pytest.raises(CarrierUnreachable, match=r"no-such-host\.invalid:5070"):
        await rest.place(LEAST)


async def test_what_speaks_no_http(open_rest: Open) -> None:
    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SIP/2.0 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CarrierUnreachable):
            await (await open_rest(f"http://127.0.0.1:{port}")).place(LEAST)


async def test_the_loop_keeps_turning_meanwhile(open_rest: Open) -> None:
    turns = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal turns
        for _ in range(50):
            await asyncio.sleep(0)
            turns += 1
        return web.Response(status=201, text=CREATED)

    async with stage(answer) as api:
        rest = await open_rest(api.url)
        assert await asyncio.gather(*(rest.place(LEAST) for _ in range(5))) == [CALL] * 5
    assert turns == 250


async def test_a_closed_one_opens_again(open_rest: Open) -> None:
    async with stage(says(201, CREATED)) as api:
        rest = await open_rest(api.url)
        await rest.close()
        await rest.place(LEAST)
        await rest.close()
        assert await rest.place(LEAST) == CALL


def test_it_may_be_built_without_a_loop() -> None:
    assert TwilioRest(ACCOUNT, TOKEN).is_twilio
    assert TwilioRest(ACCOUNT, TOKEN, api_base="https://api.dublin.ie1.twilio.com").is_twilio
    assert not TwilioRest(ACCOUNT, TOKEN, api_base="http://localhost:5070").is_twilio


def test_nobody_waits_ten_seconds() -> None:
    assert TwilioRest(ACCOUNT, TOKEN, timeout_s=60)._timeout_s == MAX_TIMEOUT_S < 10


@pytest.mark.parametrize(("sid", "token"), [("", TOKEN), (ACCOUNT, "")])
def test_credentials_are_needed(sid: str, token: str) -> None:
    with pytest.raises(ConfigurationError):
        TwilioRest(sid, token)


async def test_a_mistake_of_ours_is_no_fault_of_twilios(open_rest: Open) -> None:
    async with stage(says(201, CREATED)) as api:
        with pytest.raises(TypeError, match="nonsense"):
            await (await open_rest(api.url)).place({**LEAST, "nonsense": 1})


def test_the_spec_check_finds_faults() -> None:
    path = "/2010-04-01/Accounts/{AccountSid}/Calls.json"
    good = [("To", "sip:a@h"), ("From", "b")]
    check_against_spec(path, good)
    bad: list[list[tuple[str, str]]] = [
        [("To", "sip:a@h")],
        [*good, ("To", "x")],
        [*good, ("Timeout", "x")],
        [*good, ("Method", "PUT")],
        [*good, ("Byoc", "BY1")],
        [*good, ("Url", "ftp://h")],
    ]
    for form in bad:
        with pytest.raises(AssertionError):
            check_against_spec(path, form)
    with pytest.raises(KeyError):
        check_against_spec(path, [*good, ("Nonsense", "1")])
