"""What Twilio reports, and what becomes of it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bridge.app import Bridge, create_app
from bridge.settings import Settings
from bridge.web.auth import Form
from tests.web.test_incoming import FORM, client, client_of, signed, strict

SID = FORM["CallSid"]


def status(name: str, number: int, **more: str) -> dict[str, str]:
    return {"CallSid": SID, "CallStatus": name, "SequenceNumber": str(number), **more}


async def test_a_call_s_state_follows_its_callbacks_in_whatever_order_they_come() -> None:
    async with client() as http:
        await http.post("/incoming-call", data=FORM | {"Direction": "outbound-api"})
        for form in (
            status("in-progress", 2),
            status("ringing", 1),
            status("completed", 3, CallDuration="7"),
        ):
            answer = await http.post("/call-status", data=form)
            assert (answer.status_code, answer.content) == (204, b"")
        call = (await http.get(f"/calls/{SID}")).json()
    assert (call["status"], call["duration_s"]) == ("completed", 7)


@pytest.mark.parametrize("path", ["/call-status", "/stream-status", "/amd-status"])
async def test_unknown_calls_are_no_error(path: str) -> None:
    form = status("completed", 0) | {
        "StreamSid": "MZ" + "1" * 32,
        "StreamEvent": "stream-stopped",
        "AnsweredBy": "human",
    }
    async with client() as http:
        assert (await http.post(path, data=form)).status_code == 204


async def test_machine_detection_reaches_the_record() -> None:
    async with client() as http:
        await http.post("/incoming-call", data=FORM)
        await http.post("/amd-status", data={"CallSid": SID, "AnsweredBy": "machine_start"})
        assert (await http.get(f"/calls/{SID}")).json()["answered_by"] == "machine_start"


@pytest.mark.parametrize("form", [{}, {"CallSid": "nonsense"}, status("completed", 0)])
async def test_after_the_stream_the_call_is_hung_up_whatever_is_asked(form: dict[str, str]) -> None:
    async with client() as http:
        answer = await http.post("/stream-ended", data=form)
    assert answer.status_code == 200
    assert [child.tag for child in ET.fromstring(answer.content)] == ["Hangup"]  # noqa: S314


async def test_a_callback_without_sense_is_named() -> None:
    async with client() as http:
        answer = await http.post("/call-status", data={"CallSid": SID, "CallStatus": "dancing"})
    assert (answer.status_code, answer.json()["field"]) == (422, "CallStatus")


@pytest.mark.parametrize("path", ["/call-status", "/stream-status", "/stream-ended", "/amd-status"])
async def test_every_callback_is_signed(path: str) -> None:
    form = status("completed", 0) | {
        "AnsweredBy": "human",
        "StreamSid": "MZ" + "1" * 32,
        "StreamEvent": "stream-stopped",
    }
    async with client(**strict()) as http:
        assert (await http.post(path, data=form)).status_code == 403
        signature = signed(f"https://bridge.example.com{path}", form)
        assert (await http.post(path, data=form, headers=signature)).status_code in {200, 204}


async def test_each_callback_is_copied_once_so_that_a_copy_to_ourselves_ends_there() -> None:
    copied: list[str] = []
    app = create_app(Settings())
    bridge: Bridge = app.state.bridge

    async def copy(record: object, form: Form) -> str:
        copied.append(dict(form)["CallStatus"])
        return "delivered"

    bridge.copier.copy_status = copy  # type: ignore[assignment, method-assign]
    async with client_of(app) as http:
        await http.post("/incoming-call", data=FORM)
        for _ in range(3):
            await http.post("/call-status", data=status("in-progress", 2))
        await http.post("/call-status", data=status("completed", 3))
    assert copied == ["in-progress", "completed"]


async def test_an_incoming_call_whose_stream_never_opened_ends_with_stream_ended() -> None:
    async with client() as http:
        await http.post("/incoming-call", data=FORM)
        await http.post("/stream-ended", data=status("in-progress", 0))
        assert (await http.get(f"/calls/{SID}")).json()["status"] == "failed"
