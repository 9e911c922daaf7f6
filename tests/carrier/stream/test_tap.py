from __future__ import annotations

import base64
import json
from itertools import islice, pairwise
from typing import Any, cast

import pytest
from picows import WSMsgType, WSTransport

from bridge.carrier.stream.playback import MAX_MARKS
from bridge.carrier.stream.tap import StreamTap, stream_timestamps
from bridge.mediastream.messages import StartBody
from bridge.mediastream.server_side import ServerStream, Violation
from tests.carrier.media_stage import seeded

STREAM_SID = "MZ" + "0" * 32
START = StartBody(accountSid="AC" + "0" * 32, callSid="CA" + "0" * 32, streamSid=STREAM_SID)
SILENCE = b"\xff" * 160
SPOKEN = b"\x11" * 160


class Wire:
    """Stands for a transport that swallows everything and keeps it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_close_frame_sent = False
        self.underlying_transport = self

    def set_write_buffer_limits(self, *, high: int) -> None:
        assert high > 0

    def get_write_buffer_size(self) -> int:
        return 0

    def send(self, kind: WSMsgType, message: bytes) -> None:
        assert kind == WSMsgType.TEXT
        self.sent.append(message)

    def taken(self) -> list[dict[str, Any]]:
        messages = [json.loads(message) for message in self.sent]
        self.sent.clear()
        return messages


class Scene:
    def __init__(self) -> None:
        self.warnings: list[tuple[int, str]] = []
        self.wire = Wire()
        self.tap = StreamTap(START, jitter=seeded(3), warn=lambda *warning: self.warnings.append(warning))

    def open(self) -> Scene:
        self.tap.socket.on_ws_connected(cast("WSTransport", self.wire))
        return self

    def say(self, event: str, **body: object) -> None:
        message = {"event": event, "streamSid": STREAM_SID, **body}
        self.tap._text(memoryview(json.dumps(message).encode()))

    def play(self, payload: bytes) -> None:
        self.say("media", media={"payload": base64.b64encode(payload).decode()})


def test_before_it_opens_the_phone_hears_silence_and_nothing_is_counted() -> None:
    scene = Scene()
    assert scene.tap.tick(SPOKEN, "1") == SILENCE
    assert scene.tap.sent_frames == 0


def test_all_it_sends_is_legal_to_our_own_server_side() -> None:
    scene = Scene().open()
    for number in range(20):
        scene.tap.tick(SPOKEN, "1#" if number == 5 else "")
    scene.say("mark", mark={"name": "m"})
    server = ServerStream()
    events = [server.receive(message) for message in scene.wire.sent]
    assert len(events) == 25
    assert not [event for event in events if isinstance(event, Violation)]
    assert server.counters.sequence_gaps == 0


def test_dropped_frames_keep_their_numbers_and_time_so_that_the_server_sees_the_loss() -> None:
    scene = Scene().open()
    scene.wire.taken()
    for slow in (False, True, True, True, False):
        scene.tap.socket.slow = slow
        scene.tap.tick(SPOKEN, "")
    first, second = scene.wire.taken()
    assert (first["media"]["chunk"], second["media"]["chunk"]) == ("1", "5")
    assert (first["sequenceNumber"], second["sequenceNumber"]) == ("2", "6")
    step_ms = int(second["media"]["timestamp"]) - int(first["media"]["timestamp"])
    assert step_ms == pytest.approx(4 * 19.97, abs=8)
    assert (scene.tap.sent_frames, scene.tap.dropped_frames) == (2, 3)
    assert [code for code, _ in scene.warnings] == [31930]


def test_a_slow_server_still_gets_digits_and_marks() -> None:
    scene = Scene().open()
    scene.wire.taken()
    scene.play(b"\x01" * 160)
    scene.say("mark", mark={"name": "m"})
    scene.tap.socket.slow = True
    scene.tap.tick(SPOKEN, "7")
    scene.tap.tick(SPOKEN, "")
    assert [message["event"] for message in scene.wire.taken()] == ["dtmf", "mark"]


def test_each_warning_is_given_once_and_the_counters_go_on() -> None:
    scene = Scene().open()
    for _ in range(3):
        scene.play(bytes(4_800_001))
        scene.tap._binary()
        scene.say("nonsense")
    assert [code for code, _ in scene.warnings] == [31931, 31950, 31951]
    assert scene.tap.refused_bytes == 3 * 4_800_001
    assert scene.tap.received_messages == 9


def test_marks_beyond_the_bound_are_refused_with_a_warning() -> None:
    scene = Scene().open()
    scene.play(b"\x01" * 160)
    for number in range(MAX_MARKS + 2):
        scene.say("mark", mark={"name": str(number)})
    assert [code for code, _ in scene.warnings] == [31931]
    scene.wire.taken()
    scene.say("clear")
    assert len(scene.wire.taken()) == MAX_MARKS
    assert (scene.tap.marks, scene.tap.clears) == (MAX_MARKS, 1)


@pytest.mark.parametrize("seed", range(20))
def test_timestamps_are_as_captured_from_twilio(seed: int) -> None:
    times_ms = list(islice(stream_timestamps(seeded(seed)), 3000))
    steps_ms = [after - before for before, after in pairwise(times_ms)]
    assert 100 <= times_ms[0] <= 170
    assert min(steps_ms) > 0
    assert max(steps_ms) < 40
    assert len(set(steps_ms)) > 5
    assert (times_ms[-1] - times_ms[0]) / 2999 == pytest.approx(19.97, abs=0.01)


def test_the_same_seed_gives_the_same_timestamps() -> None:
    assert list(islice(stream_timestamps(seeded(5)), 50)) == list(islice(stream_timestamps(seeded(5)), 50))
