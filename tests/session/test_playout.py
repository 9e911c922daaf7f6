"""Speaking: the lead, the ledger, marks and clear, on a clock turned by hand."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from bridge.mediastream import messages as wire
from bridge.mediastream.server_side import ServerStream
from bridge.mediastream.twilio_side import TwilioStream
from bridge.session.marks import BEGINNING_MARK
from bridge.session.playout import Playout
from bridge.session.segment import Segment
from bridge.session.track import OutboundTrack
from bridge.testing import ManualClock, RecordingSocket
from bridge.ticker import Ticker

START = wire.StartBody("AC" + "0" * 32, "CA" + "0" * 32, "MZ" + "0" * 32)


class Heard(OutboundTrack):
    """The outbound track, told to the stage."""

    def __init__(self, stage: "Stage") -> None:
        super().__init__(8000, before_change=lambda: None)
        self.stage = stage

    def heard(self, payload: bytes) -> None:
        self.stage.spoken += payload

    def cut(self) -> None:
        self.stage.told.append("cut")


class Stage:
    """A playout with everything around it, and what it told."""

    def __init__(self, lead_ms: int = 200) -> None:
        self.clock = ManualClock()
        self.ticker = Ticker(self.clock)
        self.socket = RecordingSocket()
        stream = ServerStream()
        for message in TwilioStream(START).open():
            stream.receive(message)
        self.told: list[object] = []
        self.spoken = bytearray()
        self.playout = Playout(
            stream=stream,
            socket=self.socket,
            clock=self.clock,
            ticker=self.ticker,
            lead_ms=lead_ms,
            track=Heard(self),
            observer=self,
        )

    def reached(self, name: str, fate: str) -> None:
        self.told.append((name, fate))

    def stalled(self) -> None:
        self.told.append("stalled")

    def play(self, payload: bytes, *, interruptible: bool = True) -> Segment:
        segment = Segment(interruptible=interruptible)
        segment.put(payload)
        segment.complete = True
        self.playout.add(segment)
        self.playout.release()
        return segment

    def sent_bytes(self) -> int:
        return len(self.sent_audio())

    def sent_audio(self) -> bytes:
        return b"".join(b64decode(m["media"]["payload"]) for m in self.socket.sent if m["event"] == "media")

    def marks(self) -> list[str]:
        """Those behind audio."""
        names = [m["mark"]["name"] for m in self.socket.sent if m["event"] == "mark"]
        return [name for name in names if not name.startswith(BEGINNING_MARK)]

    def echo(self, name: str) -> None:
        self.playout.echoed(name)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    task = asyncio.ensure_future(stage.ticker.run())
    yield stage
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def audio(length: int) -> bytes:
    return bytes(n % 251 for n in range(length))


async def test_what_fits_the_lead_goes_out_at_once_between_two_marks(stage: Stage) -> None:
    segment = stage.play(audio(1600))
    assert stage.socket.events() == ["mark", "media", "mark"]
    assert segment.fate == "playing"
    stage.echo(stage.marks()[0])
    assert (segment.fate, segment.played_ms, segment.cleared_ms) == ("played", 200, 0)
    assert await segment.finished() == "played"


async def test_never_more_than_the_lead_is_ahead_and_all_arrives_in_order(stage: Stage) -> None:
    said = audio(80_000)  # ten seconds
    segment = stage.play(said)
    assert stage.sent_bytes() == 1600
    for step in range(1, 600):
        await stage.clock.advance(0.02)
        ahead_ms = stage.sent_bytes() / 8 - step * 20
        assert ahead_ms <= 200
        if not segment.is_drained:
            assert ahead_ms >= 60, "the phone must never run dry"
    assert stage.sent_audio() == said
    assert bytes(stage.spoken) == said
    assert stage.playout.underruns == 0
    assert stage.socket.events().count("media") <= 101, "queued audio travels in larger messages"


async def test_segments_never_interleave(stage: Stage) -> None:
    stage.play(b"\x01" * 4000)
    stage.play(b"\x02" * 4000)
    await stage.clock.advance(2)
    assert stage.sent_audio() == b"\x01" * 4000 + b"\x02" * 4000
    assert len(stage.marks()) == 2
    assert stage.socket.events().count("mark") == 3, "one more where the phone was silent"


async def test_clear_tells_what_was_heard_and_what_never_will_be(stage: Stage) -> None:
    playing, waiting = stage.play(audio(8000)), stage.play(audio(800))
    await stage.clock.advance(0.3)
    assert playing.played_ms == 300
    stage.playout.clear()
    assert (playing.fate, playing.played_ms, playing.cleared_ms) == ("cleared", 300, 700)
    assert (waiting.fate, waiting.played_ms, waiting.cleared_ms) == ("cleared", 0, 100)
    assert stage.socket.events()[-1] == "clear"
    assert stage.told == ["cut"]
    sent = stage.sent_bytes()
    await stage.clock.advance(1)
    assert stage.sent_bytes() == sent, "nothing more of it may leave"


async def test_a_mark_echo_that_comes_after_a_clear_says_nothing(stage: Stage) -> None:
    segment = stage.play(audio(800))
    stage.playout.clear()
    assert (segment.fate, segment.cleared_ms) == ("cleared", 100)
    stage.echo(stage.marks()[0])
    assert segment.fate == "cleared"


async def test_what_was_heard_to_its_end_before_the_clear_counts_as_played(stage: Stage) -> None:
    segment = stage.play(audio(800))
    await stage.clock.advance(0.15)  # heard, its mark is on its way back
    stage.playout.clear()
    assert segment.fate == "playing"
    stage.echo(stage.marks()[0])
    assert (segment.fate, segment.played_ms) == ("played", 100)


async def test_an_uninterruptible_segment_is_sent_again_from_the_cut(stage: Stage) -> None:
    said = audio(4000)
    segment = stage.play(said, interruptible=False)
    await stage.clock.advance(0.1)
    before = stage.sent_bytes()
    stage.playout.clear()
    await stage.clock.advance(1)
    again = stage.sent_audio()[before:]
    assert again == said[800:], "from the sample the phone had reached"
    stage.echo(stage.marks()[-1])
    assert (segment.fate, segment.played_ms, segment.cleared_ms) == ("played", 500, 0)


async def test_the_old_mark_of_a_segment_that_survives_a_clear_ends_nothing(stage: Stage) -> None:
    segment = stage.play(audio(1600), interruptible=False)
    await stage.clock.advance(0.05)
    stage.playout.clear()
    old, new = stage.marks()
    stage.echo(old)
    assert segment.fate == "playing"
    stage.echo(new)
    assert (segment.fate, segment.played_ms, segment.cleared_ms) == ("played", 200, 0)


async def test_user_marks_come_back_with_their_fate_and_internal_names_never_do(stage: Stage) -> None:
    stage.play(audio(160))
    stage.playout.mark("one")
    for name in stage.marks():
        stage.echo(name)
    assert stage.told == [("one", "played")]
    stage.play(audio(80_000))
    stage.playout.mark("two")
    stage.playout.clear()
    assert ("two", "cleared") in stage.told
    assert all(name.startswith("bridge:") for name in stage.marks())


async def test_a_mark_on_an_empty_queue_is_sent_at_once(stage: Stage) -> None:
    stage.playout.mark("now")
    assert stage.socket.events() == ["mark"]


async def test_a_peer_that_does_not_read_is_not_fed_and_reported_after_30_s(stage: Stage) -> None:
    stage.socket.unsent_bytes = 300_000
    stage.play(audio(1600))
    assert stage.socket.sent == []
    await stage.clock.advance(29.9)
    assert "stalled" not in stage.told
    await stage.clock.advance(0.5)
    assert "stalled" in stage.told
    stage.socket.unsent_bytes = 0
    await stage.clock.advance(0.1)
    assert stage.sent_bytes() == 1600


async def test_an_underrun_is_counted_inside_a_segment_only(stage: Stage) -> None:
    segment = Segment()
    stage.playout.add(segment)
    segment.put(audio(160))
    stage.playout.release()
    await stage.clock.advance(0.1)
    segment.put(audio(160))
    stage.playout.release()
    assert stage.playout.underruns == 1
    segment.complete = True
    stage.playout.release()
    await stage.clock.advance(1)
    stage.play(audio(160))
    assert stage.playout.underruns == 1


async def test_a_live_source_loses_its_oldest(stage: Stage) -> None:
    stage.play(b"\x09" * 8000)  # keeps the live one waiting
    live = Segment(max_queue_ms=40)
    stage.playout.add(live)
    for n in range(5):
        live.put(bytes([n]) * 160)
        live.trim()
    assert live.queued_samples == 320
    assert live.dropped_samples == 480
    await stage.clock.advance(2)
    assert stage.sent_audio()[8000:] == b"\x03" * 160 + b"\x04" * 160


async def test_the_end_of_the_stream_ends_every_row(stage: Stage) -> None:
    segments = [stage.play(audio(8000)), stage.play(audio(100))]
    await stage.clock.advance(0.1)
    stage.playout.end()
    assert [segment.fate for segment in segments] == ["cleared", "cleared"]
    assert [segment.played_ms for segment in segments] == [100, 0]


async def test_idle_is_told_once_everything_was_heard(stage: Stage) -> None:
    told: list[str] = []
    stage.playout.when_idle(lambda: told.append("empty"))
    assert told == ["empty"]
    stage.play(audio(160))
    stage.playout.when_idle(lambda: told.append("played"))
    assert told == ["empty"]
    stage.echo(stage.marks()[0])
    assert told == ["empty", "played"]


@pytest.mark.parametrize("lead_ms", [20, 60, 1000])
async def test_any_lead_gets_all_audio_out(lead_ms: int) -> None:
    stage = Stage(lead_ms)
    task = asyncio.ensure_future(stage.ticker.run())
    said = audio(16_000)
    stage.play(said)
    await stage.clock.advance(3)
    assert stage.sent_audio() == said
    task.cancel()
