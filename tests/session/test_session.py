"""One live call: audio in and out, events, sinks, and its end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from bridge.calls.call import Call
from bridge.calls.event import DigitPressed, MarkReached, StreamEnded, StreamStarted
from bridge.errors import AudioError, CallEnded, CallReadOnly
from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import ServerStream
from bridge.mediastream.twilio_side import TwilioStream
from bridge.session.facts import CallFacts, SessionOptions
from bridge.session.marks import BEGINNING_MARK
from bridge.session.session import Session
from bridge.sinks.sink import BoundSink, describe
from bridge.testing import ManualClock, RecordingSocket, settle
from bridge.ticker import Ticker

FRAME = bytes(range(160))


class Phone:
    """The carrier's end of a session, by hand."""

    def __init__(
        self, *, tracks: tuple[str, ...] = ("inbound",), grace_s: float = 0.2, rest: bool = False
    ) -> None:
        start = wire.StartBody("AC" + "0" * 32, "CA" + "1" * 32, "MZ" + "2" * 32, tracks)
        self.twilio = TwilioStream(start)
        self.stream = ServerStream()
        self.clock = ManualClock()
        self.ticker = Ticker(self.clock)
        self.socket = RecordingSocket()
        for message in self.twilio.open():
            self.stream.receive(message)
        self.hung_up: list[str] = []
        self.rest = rest
        self.session = Session(
            CallFacts(start.callSid, "+12025550123", "sip:x@y", "placed", {"a": "b"}),
            stream=self.stream,
            socket=self.socket,
            clock=self.clock,
            ticker=self.ticker,
            options=SessionOptions(grace_s=grace_s),
            hang_up=self._hang_up,
        )
        self._at_ms = 100

    async def _hang_up(self, sid: str) -> bool:
        self.hung_up.append(sid)
        return self.rest

    def says(self, payload: bytes = FRAME) -> None:
        self._at_ms += 20
        self.takes(self.twilio.media(payload, self._at_ms))

    def takes(self, message: bytes) -> None:
        self.session.take(self.stream.receive(message))

    def stops(self) -> None:
        self.takes(self.twilio.stop())

    def marks(self) -> list[str]:
        """Those behind audio."""
        names = [message["mark"]["name"] for message in self.socket.sent if message["event"] == "mark"]
        return [name for name in names if not name.startswith(BEGINNING_MARK)]

    def sent(self) -> list[str]:
        """The kinds of what was sent, without the marks before audio."""
        return [
            message["event"]
            for message in self.socket.sent
            if not message.get("mark", {}).get("name", "").startswith(BEGINNING_MARK)
        ]

    def echoes_beginning(self) -> None:
        """Tell that the phone begins to hear."""
        names = [message["mark"]["name"] for message in self.socket.sent if message["event"] == "mark"]
        self.takes(self.twilio.mark([name for name in names if name.startswith(BEGINNING_MARK)][-1]))


def bound(function: Callable[..., Coroutine[Any, Any, None]], *, restart: bool = False) -> BoundSink:
    return describe(function.__name__, function).bind({}, restart=restart)


async def test_a_sink_hears_every_sample_from_the_first_frame_on() -> None:
    heard = bytearray()

    async def listen(call: Call) -> None:
        async for chunk in call.listen(encoding="mulaw", from_start=True):
            heard.extend(chunk.data)

    phone = Phone()
    for _ in range(3):
        phone.says()  # before the sink has even run
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(listen)]))
        await settle()
        phone.says(b"\x01" * 50)
        phone.stops()
    assert bytes(heard) == FRAME * 3 + b"\x01" * 50
    assert phone.session.record.sinks == {"listen": "done"}
    assert phone.session.record.counters.frames == 4
    assert phone.session.record.counters.samples == 530
    assert phone.session.end_reason == "stop"


async def test_both_tracks_have_one_length_and_what_is_played_lands_right_of_where_it_was_sent() -> None:
    recorded = bytearray()

    async def record(call: Call) -> None:
        async for chunk in call.listen("both", encoding="mulaw", from_start=True):
            recorded.extend(chunk.data)

    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(record)]))
        await settle()
        phone.says()
        await phone.session.play(b"\x10" * 160, encoding="mulaw")
        phone.echoes_beginning()
        phone.says()
        phone.says()
        phone.stops()
    assert bytes(recorded[0::2]) == FRAME * 3
    assert bytes(recorded[1::2]) == b"\xff" * 160 + b"\x10" * 160 + b"\xff" * 160


@pytest.mark.parametrize(("way_frames", "begins_at"), [(0, 0), (7, 7), (None, 50)])
async def test_what_is_played_is_placed_where_the_phone_began_to_hear_it(
    way_frames: int | None, begins_at: int
) -> None:
    """However long the way there and back; a program that never echoes marks is given a second."""
    heard: list[bytes] = []

    async def record(call: Call) -> None:
        chunks = call.listen("outbound", encoding="mulaw", from_start=True)
        heard.extend([chunk.data async for chunk in chunks])

    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(record)]))
        await settle()
        await phone.session.play(b"\x10" * 160 + b"\x20" * 160, encoding="mulaw")
        for frame in range(60):
            if frame == way_frames:
                phone.echoes_beginning()
            phone.says()
        phone.stops()
    assert [index for index, data in enumerate(heard) if data != b"\xff" * 160] == [begins_at, begins_at + 1]
    assert heard[begins_at] == b"\x10" * 160


async def test_a_sink_that_fails_or_never_ends_touches_nobody() -> None:
    heard: list[int] = []

    async def broken(call: Call) -> None:
        raise RuntimeError("out of order")

    async def stuck(call: Call) -> None:
        await asyncio.Event().wait()

    async def good(call: Call) -> None:
        heard.extend([chunk.start_ms async for chunk in call.listen()])

    phone = Phone(grace_s=0.05)
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(broken), bound(stuck), bound(good)]))
        await settle()
        for _ in range(5):
            phone.says()
        phone.stops()
    assert heard == [0, 20, 40, 60, 80]
    assert phone.session.record.sinks == {
        "broken": "RuntimeError: out of order",
        "stuck": "cancelled",
        "good": "done",
    }


async def test_events_are_numbered_placed_and_replayed_from_the_start() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        phone.says()
        phone.takes(phone.twilio.dtmf("7"))
        await phone.session.mark("here")
        for name in phone.marks():
            phone.takes(phone.twilio.mark(name))
        phone.stops()
    events = [event async for event in phone.session.events()]
    assert events == [
        StreamStarted(1, 0, phone.session.stream_sid),
        DigitPressed(2, 20, "7"),
        MarkReached(3, 20, "here", "played"),
        StreamEnded(4, 20, "stop"),
    ]


async def test_a_live_source_is_played_as_it_comes_and_its_error_surfaces_in_finished() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()

        async def source() -> Any:
            yield bytes(320)
            raise OSError("the model went away")

        playback = await phone.session.play(source())
        await settle()
        assert phone.socket.events() == ["mark", "media", "mark"], "what was sent before is still heard"
        phone.takes(phone.twilio.mark(phone.marks()[-1]))
        assert (playback.played_ms, playback.cleared_ms) == (20, 0)
        with pytest.raises(OSError, match="went away"):
            await playback.finished()
        phone.stops()


async def test_echo_of_a_chunk_is_the_very_payload() -> None:
    phone = Phone()

    async def echo(call: Call) -> None:
        await (await call.play(call.listen(encoding="mulaw"), max_queue_ms=400)).finished()

    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(echo)]))
        await settle()
        phone.says()
        await settle()
        assert json.loads(phone.stream.play(FRAME)) in phone.socket.sent
        phone.stops()


async def test_nothing_can_be_played_after_the_end_or_into_a_one_way_stream() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        phone.stops()
        with pytest.raises(CallEnded):
            await phone.session.play(bytes(320))
    one_way = Phone(tracks=("inbound", "outbound"))
    async with asyncio.TaskGroup() as group:
        group.create_task(one_way.session.run([]))
        await settle()
        with pytest.raises(CallReadOnly):
            await one_way.session.play(bytes(320))
        one_way.stops()


async def test_the_provider_s_own_outbound_frames_are_the_outbound_track() -> None:
    phone = Phone(tracks=("inbound", "outbound"))
    reader = phone.session.listen("both", encoding="mulaw")
    phone.takes(phone.twilio.media(b"\x22" * 160, 100, track="outbound"))
    phone.says()
    assert (await anext(reader)).data[1::2] == b"\x22" * 160


async def test_hanging_up_asks_rest_first_and_closes_the_socket_where_that_fails() -> None:
    for rest, closed in ((False, True), (True, False)):
        phone = Phone(rest=rest)
        async with asyncio.TaskGroup() as group:
            group.create_task(phone.session.run([]))
            await settle()
            hanging = group.create_task(phone.session.hangup())
            await settle()
            assert phone.hung_up == [phone.session.sid]
            assert (phone.socket.closed is not None) is closed
            phone.stops()
            await hanging
        assert phone.session.end_reason == "hangup"


async def test_hanging_up_after_played_waits_for_the_last_mark() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        await phone.session.play(bytes(320))
        hanging = group.create_task(phone.session.hangup(after_played=True))
        await settle()
        assert phone.hung_up == []
        phone.takes(phone.twilio.mark(phone.marks()[-1]))
        await settle()
        assert phone.hung_up == [phone.session.sid]
        phone.stops()
        await hanging


async def test_digits_are_sent_as_tones_and_nonsense_is_refused() -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        with pytest.raises(ValueError, match="'x' is no digit"):
            await phone.session.send_digits("1x")
        await phone.session.send_digits("1w")
        assert phone.socket.events()[:2] == ["mark", "media"]
        phone.stops()


async def test_a_restarting_sink_is_tried_again() -> None:
    tries: list[int] = []

    async def flaky(call: Call) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("first time")

    phone = Phone(grace_s=5)
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(flaky, restart=True)]))
        await settle()
        assert phone.session.record.sinks == {"flaky": "RuntimeError: first time"}
        await phone.clock.advance(0.49)
        assert len(tries) == 1
        await phone.clock.advance(0.02)
        phone.stops()
    assert len(tries) == 2
    assert phone.session.record.sinks == {"flaky": "done"}


async def test_a_source_that_waits_for_ever_ends_with_the_call_and_with_a_clear() -> None:
    closed: list[str] = []

    async def stuck(name: str) -> Any:
        try:
            yield bytes(320)
            await asyncio.Event().wait()
        finally:
            closed.append(name)

    phone = Phone()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        await phone.session.play(stuck("cleared"))
        await settle()
        await phone.session.clear()
        await settle()
        assert closed == ["cleared"]
        await phone.session.play(stuck("ended"))
        await settle()
        phone.stops()
    assert closed == ["cleared", "ended"]


async def test_a_source_that_fails_while_it_is_closed_and_a_sink_that_exits_touch_nobody() -> None:
    heard: list[int] = []

    async def listening(call: Call) -> None:
        heard.extend([chunk.start_ms async for chunk in call.listen()])

    async def exiting(call: Call) -> None:
        raise SystemExit(3)

    async def speaking(call: Call) -> None:
        async def source() -> Any:
            try:
                yield bytes(320)
                await asyncio.Event().wait()
            finally:
                raise OSError("cannot be closed")

        playback = await call.play(source())
        await asyncio.sleep(0)
        await call.clear()
        await playback.finished()

    phone = Phone()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([bound(listening), bound(speaking), bound(exiting)]))
        await settle()
        for _ in range(3):
            phone.says()
        phone.stops()
    assert heard == [0, 20, 40]
    assert phone.session.record.sinks["listening"] == "done"
    assert phone.session.record.sinks["exiting"] == "SystemExit: 3"


async def test_nothing_that_comes_after_the_end_counts() -> None:
    phone = Phone()
    phone.says()
    phone.session.end("shutdown")
    phone.says()
    phone.takes(phone.twilio.dtmf("1"))
    events = [event async for event in phone.session.events()]
    assert isinstance(events[-1], StreamEnded)
    assert phone.session.record.counters.frames == 1


async def test_a_listener_that_was_left_costs_nothing_any_more() -> None:
    phone = Phone()
    for _ in range(50):
        reader = phone.session.listen()
        phone.says()
        async for _chunk in reader:
            break
        del reader
    assert phone.session.audio._listeners == ()


async def test_the_outbound_track_is_bounded_when_no_frames_come() -> None:
    phone = Phone()
    for _ in range(100):
        phone.session.audio.sent.heard(bytes(8000))
    assert len(phone.session.audio.sent._ahead) <= 12 * 8000


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
async def test_a_call_is_heard_and_spoken_to_at_other_rates(rate_hz: int) -> None:
    phone = Phone()
    async with asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        reader = phone.session.listen("both", rate_hz=rate_hz, chunk_ms=40, encoding="float32")
        phone.says()
        phone.says()
        chunk = await anext(reader)
        assert (chunk.rate_hz, chunk.duration_ms, chunk.channels) == (rate_hz, 40, 2)
        assert chunk.samples.shape == (rate_hz * 40 // 1000, 2)
        playback = await phone.session.play(bytes(2 * rate_hz // 10), rate_hz=rate_hz)
        phone.takes(phone.twilio.mark(phone.marks()[-1]))
        assert await playback.finished() == "played"
        assert 100 <= playback.played_ms <= 102, "its tenth of a second, and the filter's tail"
        phone.stops()


async def test_mu_law_is_for_the_phone_s_own_rate() -> None:
    phone = Phone()
    with pytest.raises(ValueError, match="8000 only"):
        phone.session.listen(rate_hz=16_000, encoding="mulaw")
    with pytest.raises(AudioError, match="44100"):
        phone.session.listen(rate_hz=44_100)


async def test_an_endless_source_of_a_call_that_ends_at_once_blocks_nobody() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield FRAME

    phone = Phone()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(phone.session.run([]))
        await settle()
        playback = await phone.session.play(endless(), encoding="mulaw")
        phone.stops()
        assert await playback.finished() == "cleared"
