from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import pytest

from bridge.audio.g711 import decode_ulaw
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.wav_phone import ANSWERS, WavPhone
from tests.carrier.media_stage import ManualClock, settle

SPOKEN = bytes(index % 256 for index in range(1000))  # six frames and a quarter


def test_it_is_a_leg() -> None:
    leg: Leg = WavPhone(b"", clock=ManualClock())
    assert leg.digits() == ""


async def test_it_rings_then_answers() -> None:
    clock = ManualClock()
    rung: list[float] = []
    phone = WavPhone(SPOKEN, clock=clock, ring_s=2)
    async with asyncio.TaskGroup() as group:
        dialling = group.create_task(phone.dial(lambda: rung.append(clock.now_s())))
        await clock.advance(1.99)
        assert rung == [1000.0]
        assert not dialling.done()
        await clock.advance(0.02)
        assert dialling.done()
    assert dialling.result() == ANSWERS["answered"]
    assert dialling.result().sip_status == 200


@pytest.mark.parametrize(("result", "sip_status"), [("busy", 486), ("unreachable", 404)])
async def test_busy_and_unreachable_phones_do_not_ring(result: str, sip_status: int) -> None:
    rung: list[bool] = []
    answer = {name: value for name, value in ANSWERS.items() if name == result}.popitem()[1]
    phone = WavPhone(SPOKEN, clock=ManualClock(), answer=answer)
    got = await phone.dial(lambda: rung.append(True))
    assert (got.result, got.sip_status, rung) == (result, sip_status, [])


async def test_a_declined_call_rings_first() -> None:
    clock = ManualClock()
    rung: list[bool] = []
    phone = WavPhone(SPOKEN, clock=clock, answer=ANSWERS["declined"], ring_s=3)
    async with asyncio.TaskGroup() as group:
        dialling = group.create_task(phone.dial(lambda: rung.append(True)))
        await clock.advance(3)
    assert (dialling.result().sip_status, rung) == (603, [True])


async def test_no_answer_rings_until_the_caller_gives_up() -> None:
    clock = ManualClock()
    phone = WavPhone(SPOKEN, clock=clock, answer=ANSWERS["no-answer"], ring_s=1)
    async with asyncio.TaskGroup() as group:
        dialling = group.create_task(phone.dial(lambda: None))
        await clock.advance(600)
        assert not dialling.done()
        dialling.cancel()
        await settle()
    assert dialling.cancelled()


def test_it_says_every_sample_once_then_silence() -> None:
    phone = WavPhone(SPOKEN, clock=ManualClock())
    frames = [phone.speak() for _ in range(10)]
    assert {len(frame) for frame in frames} == {160}
    assert b"".join(frames) == SPOKEN + b"\xff" * 600


async def test_it_hangs_up_three_seconds_after_its_last_frame() -> None:
    phone = WavPhone(SPOKEN, clock=ManualClock())
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(phone.hung_up())
        for _ in range(7 + 150 - 1):
            phone.speak()
        await settle()
        assert not gone.done()
        phone.speak()
        await settle()
        assert gone.done()


async def test_it_waits_for_its_digits_before_it_hangs_up() -> None:
    phone = WavPhone(b"", clock=ManualClock(), hang_up_after_s=0.1, digits=[(0.5, "3"), (0.04, "12")])
    pressed: dict[int, str] = {}
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(phone.hung_up())
        frame = 0
        while not gone.done():
            if digits := phone.digits():
                pressed[frame] = digits
            phone.speak()
            frame += 1
            await settle(2)
    assert pressed == {2: "12", 25: "3"}
    assert frame == 30


async def test_told_to_stay_it_never_hangs_up() -> None:
    phone = WavPhone(b"", clock=ManualClock(), hang_up_after_s=None)
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(phone.hung_up())
        for _ in range(10_000):
            phone.speak()
        await settle()
        assert not gone.done()
        gone.cancel()


async def test_it_records_what_it_hears_from_the_answer_until_it_hangs_up(tmp_path: Path) -> None:
    phone = WavPhone(b"", clock=ManualClock(), record_path=tmp_path / "a" / "phone.wav", hang_up_after_s=0.04)
    frames = [bytes([number]) * 160 for number in range(4)]
    phone.hear(frames[0])  # a greeting: nobody listens yet, and it is recorded all the same
    phone.hear(frames[1])
    phone.speak()
    phone.hear(frames[2])
    phone.speak()
    phone.hear(frames[3])  # after it hung up
    await phone.hang_up()
    await phone.hang_up()
    assert phone.recorded_path == tmp_path / "a" / "phone.wav"
    with wave.open(str(phone.recorded_path)) as reader:
        assert (reader.getnchannels(), reader.getframerate(), reader.getsampwidth()) == (1, 8000, 2)
        assert reader.readframes(10_000) == decode_ulaw(b"".join(frames[:3]))


async def test_without_a_path_nothing_is_kept() -> None:
    phone = WavPhone(b"", clock=ManualClock())
    phone.hear(b"\x00" * 160)
    await phone.hang_up()
    assert phone.recorded_path is None
