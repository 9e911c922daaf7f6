"""Messages that wait unread: nothing is lost, misread or out of order for it."""

import random
from collections.abc import Callable
from dataclasses import asdict

import pytest

from bridge.calls.event import DigitPressed, StreamEnded, StreamStarted
from bridge.calls.record import StreamCounters
from bridge.mediastream.twilio_side import TwilioStream
from bridge.session.facts import SessionOptions
from bridge.testing import ManualClock, RecordingSocket
from tests.web.intake_stage import START, IntakeStage


class Room(IntakeStage[ManualClock]):
    """One media socket's intake, and how its peer spells what it says."""

    def __init__(self, spelling: Callable[[str], str] = str, *, framed: bool = False) -> None:
        super().__init__(ManualClock(), RecordingSocket(), SessionOptions(preroll_ms=0))
        self._spelling = spelling
        self._take = self.framed if framed else self.intake.text

    def frame(self, number: int) -> str:
        return self.twilio.media(bytes([number % 255]) * 160, 100 + 20 * number).decode()

    def says(self, message: str) -> None:
        self._take(self._spelling(message))

    @property
    def counters(self) -> StreamCounters:
        self.session.count()
        return self.session.record.counters


async def test_whoever_looks_sees_every_frame_that_came() -> None:
    room = Room()
    for number in range(20):
        room.says(room.frame(number))
        assert room.session.at_ms == 20 * (number + 1)
        assert room.intake.messages == 3 + number
    assert room.counters.frames == 20


async def test_a_wrong_message_among_those_that_wait_is_counted_before_it_is_asked_for() -> None:
    room = Room()
    for number in range(10):
        room.says(room.frame(number))
        if number == 5:
            room.says('{"event":"media","media":{"payload":"%"}')
    assert (room.counters.violations, room.counters.frames) == (1, 10)


async def test_what_is_not_audio_comes_after_the_audio_before_it() -> None:
    room = Room()
    for number in range(10):
        room.says(room.frame(number))
    room.says(room.twilio.dtmf("5").decode())
    room.says(room.frame(10))
    room.says(room.twilio.stop().decode())
    told = [(type(event), event.at_ms) async for event in room.session.events()]
    assert told == [(StreamStarted, 0), (DigitPressed, 200), (StreamEnded, 220)]


async def test_the_end_of_the_socket_loses_no_frame() -> None:
    room = Room()
    ear = room.session.listen(chunk_ms=1000, encoding="mulaw")
    for number in range(30):
        room.says(room.frame(number))
    room.intake.gone()
    heard = b"".join([chunk.data async for chunk in ear])
    assert list(heard[::160]) == list(range(30))


def script(seed: int) -> list[str]:
    """What an odd peer says: gaps, repeats, other sizes and tracks, nonsense, other messages."""
    chance = random.Random(seed)  # noqa: S311  (a script, not a secret)
    room = TwilioStream(START)
    list(room.open())
    said: list[str] = []
    at_ms = 100
    for number in range(200):
        at_ms += 20 * chance.choice([1] * 20 + [1, 4, 40, 600])
        payload = bytes([number % 255]) * chance.choice([160] * 20 + [80, 1600, 0])
        message = room.media(payload, at_ms).decode()
        odd = chance.randrange(30)
        if odd == 0:
            continue  # lost
        said += [message] * (2 if odd == 1 else 1)
        if odd == 2:
            said.append(message.replace("MZ2", "MZ3"))
        elif odd == 3:
            said.append('{"event":"media"')
        elif odd == 4:
            said.append(room.dtmf("1").decode())
        elif odd == 5:
            said.append(message.replace('"inbound"', '"outbound"'))
    return said


@pytest.mark.parametrize("seed", range(20))
async def test_an_odd_peer_is_heard_as_if_each_message_were_read_as_it_comes(seed: int) -> None:
    def slow(message: str) -> str:
        return " " + message  # JSON allows it, and what begins so does not wait

    heard = []
    for spelling, framed in ((slow, False), (str, False), (str, True)):
        room = Room(spelling, framed=framed)
        ears = [room.session.listen(chunk_ms=chunk_ms, encoding="mulaw") for chunk_ms in (100, 500)]
        for message in script(seed):
            room.says(message)
        room.intake.gone()
        chunks = [[(chunk.start_ms, chunk.data, chunk.filled_ms) async for chunk in ear] for ear in ears]
        heard.append((chunks, asdict(room.counters), asdict(room.session.stream.counters)))
    assert heard[0] == heard[1], "on any server"
    assert heard[0] == heard[2], "on our own"
