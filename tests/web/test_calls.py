"""Calls over HTTP: list, show, hear, end."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from starlette.requests import HTTPConnection

from bridge.calls.record import CallRecord, CallUpdate, StreamRecord
from bridge.calls.status import Status, Termination
from bridge.calls.store import MemoryCallStore
from bridge.errors import BridgeError, CarrierRefused, CarrierUnreachable
from bridge.web.calls import calls_router
from bridge.web.problem import install
from tests.web.browser import browse

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sid(number: int) -> str:
    return f"CA{number:032x}"


class Stage:
    """An application with a store, a carrier and live streams to act upon."""

    def __init__(self, *, carrier: bool = True) -> None:
        self.store = MemoryCallStore()
        self.hung_up: list[str] = []
        self.refusal: BridgeError | None = None
        self.streaming: set[str] = set()
        self.closed: list[str] = []
        self.counted = 0
        self.on_hang_up: CallRecord | None = None
        self.app = FastAPI()
        install(self.app)
        self.app.include_router(
            calls_router(
                store=self.store,
                carrier=self if carrier else None,
                hang_up_stream=self.close_stream,
                guard=self.guard,
                count=self.count,
            )
        )

    is_twilio = False

    async def place(self, arguments: Mapping[str, object]) -> str:
        raise NotImplementedError

    async def redirect(self, call_sid: str, twiml: str) -> None:
        raise NotImplementedError

    async def hang_up(self, call_sid: str) -> None:
        self.hung_up.append(call_sid)
        if self.on_hang_up is not None:
            self.on_hang_up.expect_end("phone_hung_up")
        if self.refusal is not None:
            raise self.refusal

    async def close_stream(self, call_sid: str) -> bool:
        self.closed.append(call_sid)
        return call_sid in self.streaming

    @staticmethod
    def guard(request: HTTPConnection) -> None:
        if "x-stranger" in request.headers:
            raise HTTPException(403)

    def count(self) -> None:
        self.counted += 1

    async def call(self, number: int, status: Status = "in-progress") -> CallRecord:
        direction: Any = "placed" if number % 2 else "incoming"
        return await self.store.add(CallRecord(sid(number), direction, f"+{number}", "sip:a@h", NOW, status))

    async def ask(self, method: str, path: str, **headers: str) -> Any:
        async with browse(self.app) as client:
            return await client.request(method, path, headers=headers)


@pytest.fixture
def stage() -> Stage:
    return Stage()


class TestList:
    async def numbers(self, stage: Stage, path: str) -> list[int]:
        """Follow ``next`` to the end."""
        found: list[int] = []
        following: str | None = path
        while following:
            page = (await stage.ask("GET", following)).json()
            found += [int(call["sid"].removeprefix("CA"), 16) for call in page["calls"]]
            following = page["next"]
        return found

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", [5, 4, 3, 2, 1]),
            ("?limit=1", [5, 4, 3, 2, 1]),
            ("?limit=2&direction=placed", [5, 3, 1]),
            ("?status=busy&limit=1", [4, 2]),
            ("?from=%2B3", [3]),
            ("?to=sip:a@h&limit=4", [5, 4, 3, 2, 1]),
            ("?to=nobody", []),
        ],
    )
    async def test_pages_and_filters(self, stage: Stage, query: str, expected: list[int]) -> None:
        for number in range(1, 6):
            await stage.call(number, "in-progress" if number % 2 else "busy")
        assert await self.numbers(stage, f"/calls{query}") == expected

    async def test_fifty_are_a_page(self, stage: Stage) -> None:
        for number in range(51):
            await stage.call(number)
        page = (await stage.ask("GET", "/calls")).json()
        assert (len(page["calls"]), page["next"]) == (50, "/calls?limit=50&cursor=2")

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=1001", "limit=x", "cursor=x", "status=over", "direction=up"]
    )
    async def test_odd_questions(self, stage: Stage, query: str) -> None:
        answer = await stage.ask("GET", f"/calls?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, query.partition("=")[0])


class TestShow:
    async def test_a_call(self, stage: Stage) -> None:
        await stage.call(1)
        answer = await stage.ask("GET", f"/calls/{sid(1)}")
        assert (answer.status_code, answer.json()["sid"], answer.json()["from"]) == (200, sid(1), "+1")
        assert stage.counted == 1

    @pytest.mark.parametrize("method_and_path", ["GET {}", "GET {}/recording", "POST {}/hangup"])
    @pytest.mark.parametrize("unknown", [sid(9), "x", "%00"])
    async def test_an_unknown_one(self, stage: Stage, method_and_path: str, unknown: str) -> None:
        method, path = method_and_path.format(f"/calls/{unknown}").split()
        answer = await stage.ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (404, "call_unknown")

    @pytest.mark.parametrize("method_and_path", ["GET ", "GET /1", "GET /1/recording", "POST /1/hangup"])
    async def test_the_guard(self, stage: Stage, method_and_path: str) -> None:
        method, _, path = method_and_path.partition(" ")
        answer = await stage.ask(method, f"/calls{path}", **{"X-Stranger": "1"})
        assert answer.status_code == 403


class TestRecording:
    @pytest.fixture
    async def record(self, stage: Stage) -> CallRecord:
        return await stage.call(1)

    def write(self, path: Path, frames: int) -> Path:
        with wave.open(str(path), "wb") as file:
            file.setparams((2, 2, 8000, 0, "NONE", ""))
            file.writeframes(b"\1\2\3\4" * frames)
        return path

    def add(self, record: CallRecord, *paths: Path, ended: bool = True) -> None:
        record.add_stream(
            StreamRecord(
                f"MZ{len(record.streams)}",
                NOW,
                NOW,  # the stream may be over while its file is not
                recordings=list(paths),
                unfinished=set() if ended else set(paths),
            )
        )

    async def test_the_latest_finished_one(self, stage: Stage, record: CallRecord, tmp_path: Path) -> None:
        first, second = (self.write(tmp_path / f"{n}.wav", n) for n in (10, 20))
        self.add(record, first, second)
        self.add(record, self.write(tmp_path / "30.wav", 30), ended=False)
        answer = await stage.ask("GET", f"/calls/{sid(1)}/recording")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
        assert answer.headers["content-disposition"] == 'attachment; filename="20.wav"'
        assert answer.content == second.read_bytes()
        named = await stage.ask("GET", f"/calls/{sid(1)}/recording?name=10.wav")
        assert named.content == first.read_bytes()

    async def test_a_range_of_it(self, stage: Stage, record: CallRecord, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.wav", 10)
        self.add(record, path)
        answer = await stage.ask("GET", f"/calls/{sid(1)}/recording", Range="bytes=4-11")
        assert (answer.status_code, answer.content) == (206, path.read_bytes()[4:12])

    @pytest.mark.parametrize("query", ["", "?name=a.wav"])
    async def test_while_it_grows(self, stage: Stage, record: CallRecord, tmp_path: Path, query: str) -> None:
        self.add(record, self.write(tmp_path / "a.wav", 10), ended=False)
        answer = await stage.ask("GET", f"/calls/{sid(1)}/recording{query}")
        assert (answer.status_code, answer.json()["code"]) == (409, "recording_unfinished")

    async def test_none(self, stage: Stage, record: CallRecord) -> None:
        answer = await stage.ask("GET", f"/calls/{sid(1)}/recording")
        assert (answer.status_code, answer.json()["code"]) == (404, "recording_unknown")

    @pytest.mark.parametrize("name", ["b.wav", "../a.wav", "/etc/passwd", ""])
    async def test_no_other_file(self, stage: Stage, record: CallRecord, tmp_path: Path, name: str) -> None:
        self.add(record, self.write(tmp_path / "a.wav", 10))
        answer = await stage.ask("GET", f"/calls/{sid(1)}/recording?name={name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "recording_unknown")

    async def test_a_file_that_was_deleted(self, stage: Stage, record: CallRecord, tmp_path: Path) -> None:
        self.add(record, tmp_path / "a.wav")
        answer = await stage.ask("GET", f"/calls/{sid(1)}/recording")
        assert (answer.status_code, answer.json()["code"]) == (404, "recording_gone")


class TestHangUp:
    async def test_by_rest(self, stage: Stage) -> None:
        record = await stage.call(1)
        answer = await stage.ask("POST", f"/calls/{sid(1)}/hangup")
        assert (answer.status_code, answer.json()["sid"]) == (200, sid(1))
        assert (stage.hung_up, stage.closed) == ([sid(1)], [])
        record.apply(CallUpdate(sid(1), "completed", NOW))
        assert record.termination == Termination("bridge_hung_up")

    async def test_news_that_overtake_the_answer_do_not_change_who_did_it(self, stage: Stage) -> None:
        record = stage.on_hang_up = await stage.call(1)
        await stage.ask("POST", f"/calls/{sid(1)}/hangup")
        record.apply(CallUpdate(sid(1), "completed", NOW))
        assert record.termination == Termination("bridge_hung_up")

    @pytest.mark.parametrize("carrier", [True, False], ids=["rest fails", "no carrier"])
    async def test_else_by_the_socket(self, *, carrier: bool) -> None:
        stage = Stage(carrier=carrier)
        stage.refusal = CarrierUnreachable("nobody there")
        stage.streaming.add(sid(1))
        record = await stage.call(1)
        assert (await stage.ask("POST", f"/calls/{sid(1)}/hangup")).status_code == 200
        assert stage.closed == [sid(1)]
        record.apply(CallUpdate(sid(1), "completed", NOW))
        assert record.termination == Termination("bridge_hung_up")

    @pytest.mark.parametrize(
        ("refusal", "status", "code"),
        [
            (CarrierUnreachable("nobody there"), 502, "carrier_unreachable"),
            (CarrierRefused("Authenticate", status=401, code=20003), 502, "carrier_credentials"),
            (CarrierRefused("not found", status=404, code=20404), 409, "call_ended"),
            (CarrierRefused("Call is not in-progress.", status=400, code=21220), 409, "call_ended"),
        ],
    )
    async def test_or_not_at_all(self, stage: Stage, refusal: BridgeError, status: int, code: str) -> None:
        record = await stage.call(1)
        stage.refusal = refusal
        answer = await stage.ask("POST", f"/calls/{sid(1)}/hangup")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        record.apply(CallUpdate(sid(1), "completed", NOW))
        assert record.termination == Termination("completed")

    async def test_with_nothing_to_end_it_by(self) -> None:
        stage = Stage(carrier=False)
        await stage.call(1)
        answer = await stage.ask("POST", f"/calls/{sid(1)}/hangup")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_configured")

    async def test_after_its_end(self, stage: Stage) -> None:
        await stage.call(1, "completed")
        answer = await stage.ask("POST", f"/calls/{sid(1)}/hangup")
        assert (answer.status_code, answer.json()["code"]) == (409, "call_ended")
        assert not stage.hung_up
