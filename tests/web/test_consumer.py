"""A program that stops reading, in slow motion: its socket's other side by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.websockets import WebSocket

from bridge.session.event_log import MAX_EVENTS
from bridge.testing import settle
from bridge.web.audio_query import AudioQuery
from bridge.web.consumer import TAKE_LEAVE_S, Consumer
from tests.session.test_session import Phone


class Peer:
    """A program, as ASGI shows it; it reads while ``reads`` is set."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue(100)
        self.sent: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.is_gone = False

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        if self.is_gone:
            raise OSError
        self.sent.append(message)

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.sent if "text" in message]

    @property
    def close(self) -> tuple[int, str] | None:
        last = self.sent[-1]
        return (last["code"], last["reason"]) if last["type"] == "websocket.close" else None


@asynccontextmanager
async def consuming(phone: Phone, peer: Peer) -> AsyncIterator[asyncio.Task[None]]:
    websocket = WebSocket({"type": "websocket"}, peer.receive, peer.send)
    peer.incoming.put_nowait({"type": "websocket.connect"})
    await websocket.accept()
    async with asyncio.TaskGroup() as group:
        live = group.create_task(phone.session.run([]))
        serving = group.create_task(Consumer(websocket, phone.session, AudioQuery(), phone.clock).serve())
        await settle()
        try:
            yield serving
        finally:
            phone.session.end("lost")
            await live


async def test_who_reads_no_events_while_a_thousand_happen_is_told_why_it_is_closed() -> None:
    phone, peer = Phone(), Peer()
    async with consuming(phone, peer) as serving:
        peer.reads.clear()
        for _ in range(MAX_EVENTS + 2):
            phone.takes(phone.twilio.dtmf("1"))
            await settle(1)
        assert not serving.done(), "it costs nobody anything"
        peer.reads.set()
        await serving
    assert peer.close == (1008, "this reader of events is 1 events too late; 1000 are kept")
    assert phone.session.audio._listeners == ()


async def test_who_does_not_read_the_end_is_given_up() -> None:
    phone, peer = Phone(), Peer()
    async with consuming(phone, peer) as serving:
        peer.reads.clear()
        phone.says()
        await settle()
        phone.stops()
        await phone.clock.advance(TAKE_LEAVE_S - 0.1)
        assert not serving.done()
        await phone.clock.advance(0.2)
        await serving
    assert peer.close is None
    assert phone.session.audio._listeners == ()


async def test_who_reads_the_end_late_still_gets_all_of_it() -> None:
    phone, peer = Phone(), Peer()
    async with consuming(phone, peer) as serving:
        peer.reads.clear()
        for _ in range(3):
            phone.says()
        phone.stops()
        await phone.clock.advance(TAKE_LEAVE_S - 0.1)
        peer.reads.set()
        await serving
    assert sum(len(message["bytes"]) for message in peer.sent if "bytes" in message) == 3 * 320
    assert peer.told[-1]["event"] == "stream-ended"
    assert peer.close == (1000, "stream ended: stop")


async def test_what_a_program_sent_before_it_left_is_taken_even_if_nothing_can_be_sent_to_it() -> None:
    phone, peer = Phone(), Peer()
    async with consuming(phone, peer) as serving:
        peer.is_gone = True
        phone.says()  # the audio finds out first that nobody is there
        await settle()
        peer.incoming.put_nowait({"type": "websocket.receive", "bytes": bytes(320)})
        peer.incoming.put_nowait({"type": "websocket.receive", "text": '{"command":"dance"}'})
        peer.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await serving
        assert phone.sent() == ["media"]
    assert phone.session.audio._listeners == ()


async def test_a_wish_to_hang_up_outlives_who_had_it_but_not_what_it_had_yet_to_say() -> None:
    phone, peer = Phone(rest=True), Peer()
    async with consuming(phone, peer) as serving:
        for _ in range(5):
            peer.incoming.put_nowait({"type": "websocket.receive", "bytes": bytes(16_000)})
        peer.incoming.put_nowait({"type": "websocket.receive", "text": '{"command":"hangup"}'})
        peer.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await settle()
        assert phone.hung_up == [phone.session.sid]
        assert not serving.done(), "the stream has five seconds to end by itself"
        phone.stops()
        await serving
    assert phone.session.end_reason == "hangup"
