"""From a request to a record: what is sent, what is kept, who may come first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from bridge.calls.placing import PlaceCall
from bridge.calls.record import CallbackCopy, CallRecord, CallUpdate, StreamRecord
from bridge.calls.store import MemoryCallStore
from bridge.errors import BridgeError, CarrierRefused, ConfigurationError, InvalidField
from bridge.twilio.placer import Placer
from bridge.twilio.twiml import parse

CALL = "CA" + "1" * 32
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HTTPS, HTTP = "https://bridge.example.com/phones", "http://localhost:5050"


class FixedClock:
    def now_s(self) -> float:
        return 0.0

    def utc(self) -> datetime:
        return NOW

    async def sleep_until_s(self, deadline_s: float) -> None:
        raise NotImplementedError


class StandIn:
    """A carrier that takes every call."""

    def __init__(self, *, is_twilio: bool = False, refusal: BridgeError | None = None) -> None:
        self.is_twilio = is_twilio
        self.refusal = refusal
        self.asked: list[Mapping[str, object]] = []
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def place(self, arguments: Mapping[str, object]) -> str:
        self.asked.append(arguments)
        self.was_asked.set()
        await self.answers.wait()
        if self.refusal:
            raise self.refusal
        return CALL

    async def hang_up(self, call_sid: str) -> None:
        raise NotImplementedError

    async def redirect(self, call_sid: str, twiml: str) -> None:
        raise NotImplementedError


def mint(request: PlaceCall) -> dict[str, str]:
    return {**request.parameters, "bridge_token": "t", "bridge_sinks": ",".join(request.sinks or ())}


def placer_with(
    carrier: StandIn | None, store: MemoryCallStore | None = None, known_sinks: set[str] | None = None
) -> Placer:
    return Placer(
        carrier=carrier,
        store=MemoryCallStore() if store is None else store,
        mint=mint,
        clock=FixedClock(),
        default_from="+12025550199",
        greeting="Hi",
        known_sinks=known_sinks,
    )


@pytest.mark.parametrize(
    ("base_url", "socket"),
    [(HTTPS, "wss://bridge.example.com/phones/media-stream"), (HTTP, "ws://localhost:5050/media-stream")],
)
async def test_our_document_and_our_callbacks(base_url: str, socket: str) -> None:
    carrier = StandIn()
    await placer_with(carrier).place({"to": "sip:a@h", "parameters": {"order": "42"}}, base_url=base_url)
    (asked,) = carrier.asked
    assert asked["status_callback"] == f"{base_url}/call-status"
    assert asked["status_callback_event"] == ["initiated", "ringing", "answered", "completed"]
    assert asked["from_"] == "+12025550199"
    say, connect = parse(str(asked["twiml"])).children
    (stream,) = connect.children
    assert say.text == "Hi"
    assert connect.attributes == {"action": f"{base_url}/stream-ended"}
    assert stream.attributes == {"statusCallback": f"{base_url}/stream-status", "url": socket}
    assert {parameter.get("name"): parameter.get("value") for parameter in stream.children} == {
        "order": "42",
        "bridge_token": "t",
        "bridge_sinks": "",
    }


async def test_a_url_replaces_our_document() -> None:
    carrier = StandIn()
    await placer_with(carrier).place({"to": "sip:a@h", "url": "https://h/t"}, base_url=HTTP)
    assert carrier.asked[0]["url"] == "https://h/t"
    assert "twiml" not in carrier.asked[0]
    assert carrier.asked[0]["status_callback"] == f"{HTTP}/call-status"


async def test_detection_reports_to_us() -> None:
    carrier = StandIn()
    fields = {"to": "+12025550123", "machine_detection": "Enable", "async_amd": True}
    await placer_with(carrier).place(fields, base_url=HTTPS)
    assert carrier.asked[0]["async_amd_status_callback"] == f"{HTTPS}/amd-status"


async def test_the_record() -> None:
    store = MemoryCallStore()
    fields = {
        "phone_number": "+12005550123",
        "parameters": {"order": "42"},
        "sinks": ["wav"],
        "status_callback": "https://h/s",
        "machine_detection": "Enable",
        "async_amd": True,
        "async_amd_status_callback": "https://h/amd",
    }
    record = await placer_with(StandIn(), store, {"wav"}).place(fields, base_url=HTTPS)
    assert await store.get(CALL) is record
    (hint,) = record.hints
    assert record == CallRecord(
        CALL,
        "placed",
        "+12025550199",
        "+12005550123",
        NOW,
        parameters={"order": "42"},
        sinks=("wav",),
        hints=(hint,),
        status_copy=CallbackCopy("https://h/s"),
        amd_copy=CallbackCopy("https://h/amd", frozenset()),
    )


async def test_what_came_before_the_answer_is_completed_not_replaced() -> None:
    store = MemoryCallStore()
    early = await store.add(CallRecord(CALL, "incoming", "", "", NOW, "ringing"))
    early.apply(CallUpdate(CALL, "in-progress", NOW, 2))
    early.add_stream(StreamRecord("MZ" + "1" * 32, NOW))
    record = await placer_with(StandIn(), store).place({"to": "sip:a@h"}, base_url=HTTP)
    assert record is early
    assert (record.direction, record.to, record.status) == ("placed", "sip:a@h", "in-progress")
    assert len(record.streams) == 1


async def test_a_callback_that_is_too_early_can_wait() -> None:
    store, carrier = MemoryCallStore(), StandIn()
    placer = placer_with(carrier, store)
    carrier.answers.clear()
    found: list[CallRecord | None] = []

    async def early_callback() -> None:
        found.append(await store.get(CALL))
        await placer.settled()
        found.append(await store.get(CALL))

    async with asyncio.TaskGroup() as group:
        placing = group.create_task(placer.place({"to": "sip:a@h"}, base_url=HTTP))
        await carrier.was_asked.wait()
        group.create_task(early_callback())
        await asyncio.sleep(0)
        carrier.answers.set()
    assert found == [None, placing.result()]
    await placer.settled()  # and with nothing under way nobody waits


async def test_a_refused_call_leaves_nothing_behind() -> None:
    store = MemoryCallStore()
    placer = placer_with(StandIn(refusal=CarrierRefused("no", status=400, code=21211)), store)
    with pytest.raises(CarrierRefused):
        await placer.place({"to": "sip:a@h"}, base_url=HTTP)
    await placer.settled()
    assert len(store) == 0


async def test_nothing_leaves_before_it_is_checked() -> None:
    carrier = StandIn()
    placer = placer_with(carrier, known_sinks={"wav", "log"})
    for fields, field in (
        ({"to": "nobody"}, "to"),
        ({"to": "sip:a@h", "sinks": ["wav", "mp3"]}, "sinks"),
        ({"to": "sip:a@h", "parameters": {"a": "1" * 500}}, "parameters.a"),
        ({"to": "sip:a@h", "parameters": {"a": "\x1b"}}, "parameters.a"),
        ({"to": "sip:a@h", "parameters": {f"p{number}": "1" * 490 for number in range(9)}}, "parameters"),
        ({"to": "sip:a@h", "parameters": {"bridge_token": "forged"}}, "parameters.bridge_token"),
    ):
        with pytest.raises(InvalidField) as raised:
            await placer.place(fields, base_url=HTTP)
        assert raised.value.field == field
    assert not carrier.asked


async def test_any_sink_passes_where_none_are_known() -> None:
    record = await placer_with(StandIn()).place({"to": "sip:a@h", "sinks": "mp3"}, base_url=HTTP)
    assert record.sinks == ("mp3",)


async def test_without_credentials() -> None:
    with pytest.raises(ConfigurationError, match="TWILIO_ACCOUNT_SID"):
        await placer_with(None).place({"to": "sip:a@h"}, base_url=HTTP)


async def test_twilio_does_not_reach_a_laptop() -> None:
    with pytest.raises(ConfigurationError, match="BRIDGE_PUBLIC_URL"):
        await placer_with(StandIn(is_twilio=True)).place({"to": "sip:a@h"}, base_url=HTTP)
    placed = await placer_with(StandIn(is_twilio=True)).place({"to": "sip:a@h"}, base_url=HTTPS)
    assert placed.sid == CALL


async def test_logs_show_no_numbers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await placer_with(StandIn()).place({"to": "+12005550123"}, base_url=HTTPS)
    assert "+1200•••0123" in caplog.text
    assert "5550123" not in caplog.text
