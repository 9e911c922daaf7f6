from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.webhook.answer import Failure, Reply
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.carrier.webhook.script import Script, ScriptLoader, read_script
from bridge.clock import SystemClock
from tests.carrier.signalling_stage import ACCOUNT_SID, AUTH_TOKEN, Application, application, twiml


def reply(content_type: str, body: bytes, *, chunked: bool = False) -> Reply:
    return Reply("http://app.example/voice", 200, content_type, body, chunked)


@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "text/html", "text/plain"])
def test_twiml_is_read_under_several_content_types(content_type: str) -> None:
    script = read_script(reply(content_type, b"<Response><Hangup/><Say>x</Say></Response>"))
    assert isinstance(script, Script)
    assert [verb.name for verb in script.verbs] == ["Hangup", "Say"]
    assert script.url == "http://app.example/voice"


def test_plain_text_is_read_aloud_and_audio_is_played() -> None:
    spoken = read_script(reply("text/plain", b" Hello there "))
    assert isinstance(spoken, Script)
    assert [(verb.name, verb.text) for verb in spoken.verbs] == [("Say", "Hello there")]
    played = read_script(reply("audio/x-wav", b"RIFF"))
    assert isinstance(played, Script)
    assert played.audio == b"RIFF"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply("", b"<Response/>"), 12300),
        (reply("application/json", b"{}"), 12300),
        (reply("text/xml", b"", chunked=True), 11770),
        (reply("text/xml", b""), 12100),
        (reply("text/xml", b"<Response>"), 12100),
        (reply("text/xml", b"<Reply/>"), 12102),
    ],
)
def test_what_is_no_script_has_its_code(answer: Reply, code: int) -> None:
    failure = read_script(answer)
    assert isinstance(failure, Failure)
    assert failure.code == code


async def load(program: Application, document: Document) -> tuple[Script | None, CarrierCall]:
    call = CarrierCall(
        CallRequest(to="sip:demo@localhost", from_="me", document=document),
        account_sid=ACCOUNT_SID,
        direction="inbound",
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    async with aiohttp.ClientSession() as session:
        client = WebhookClient(session, auth_token=AUTH_TOKEN, clock=SystemClock())
        return await ScriptLoader(client, call).load(document), call


async def test_a_document_comes_from_its_url_with_the_calls_fields() -> None:
    async with application() as program:
        program.answers["/voice"] = twiml("<Hangup/>")
        script, call = await load(program, Document(url=f"{program.url}/voice"))
        assert script is not None
        [asked] = program.asked["/voice"]
        assert asked.fields["CallSid"] == call.sid
        assert "ErrorCode" not in asked.fields
        assert not call.alerts


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (web.Response(status=500), "11200"),
        (web.Response(text="<Response", content_type="text/xml"), "12100"),
        (web.Response(text="{}", content_type="application/json"), "12300"),
    ],
)
async def test_the_fallback_is_asked_and_told_why(broken: web.Response, code: str) -> None:
    async with application() as program:
        program.answers["/voice"] = broken
        program.answers["/fallback"] = twiml("<Hangup/>")
        url = f"{program.url}/voice"
        document = Document(url=url, fallback_url=f"{program.url}/fallback", fallback_method="GET")
        script, call = await load(program, document)
        assert script is not None
        assert script.url is not None
        assert "/fallback?" in script.url
        [asked] = program.asked["/fallback"]
        assert asked.method == "GET"
        assert (asked.fields["ErrorCode"], asked.fields["ErrorUrl"]) == (code, url)
        assert asked.signed()
        assert [str(alert.code) for alert in call.alerts] == [code]


@pytest.mark.parametrize("options", [{}, {"fallback": True}])
async def test_without_anything_to_run_there_is_no_script(options: dict[str, Any]) -> None:
    async with application() as program:
        program.answers["/voice"] = web.Response(status=404)
        fallback_url = f"{program.url}/voice" if options else None
        script, call = await load(program, Document(url=f"{program.url}/voice", fallback_url=fallback_url))
        assert script is None
        assert [alert.code for alert in call.alerts] == [11200] * (1 + len(options))


async def test_inline_twiml_needs_no_request() -> None:
    async with application() as program:
        script, _ = await load(program, Document(twiml="<Response><Hangup/></Response>"))
        assert script is not None
        assert (script.verbs[0].name, script.url) == ("Hangup", None)
        script, call = await load(program, Document(twiml="<Response>"))
        assert script is None
        assert call.alerts[0].code == 12100
        assert not program.asked
