from __future__ import annotations

import io
import wave

import pytest
from aiohttp import web

from bridge.audio.g711 import decode_ulaw, encode_ulaw
from bridge.audio.tone import tone
from bridge.carrier.call.request import Document
from bridge.carrier.call.verb_play import APOLOGY
from bridge.carrier.phone import speech
from bridge.carrier.phone.voice import Voice
from tests.carrier.call.test_interpreter import codes, inline
from tests.carrier.signalling_stage import FastClock, application, call_in, exchange, twiml

PCM = tone([500.0], 200)


def wav(pcm: bytes = PCM) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(8000)
        writer.writeframes(pcm)
    return file.getvalue()


async def test_a_wav_file_is_heard_sample_for_sample_as_often_as_asked() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = twiml('<Play loop="2">sound.wav?v=1</Play>')
        program.answers["/sound.wav"] = web.Response(body=wav(), content_type="audio/wav")
        call, phone = await call_in(switch, Document(url=f"{program.url}/voice"))
        assert phone.heard.count(encode_ulaw(PCM)) == 2
        [asked] = program.asked["/sound.wav"]
        assert asked.fields == {"v": "1"}  # none of the call's
        assert codes(call) == []


async def test_audio_in_place_of_a_document_is_played_and_then_the_call_ends() -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = web.Response(body=wav(), content_type="audio/x-wav")
        call, phone = await call_in(switch, Document(url=f"{program.url}/voice"))
        assert encode_ulaw(PCM) in phone.heard
        assert call.status == "completed"


async def test_digits_are_dual_tones() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline('<Play digits="12"/>'))
        assert speech.digits("12")[:2000] in phone.heard
        call, _ = await call_in(switch, inline('<Play digits="1x"/>'))
        assert codes(call) == [12200]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (web.Response(status=404), 11200),
        (web.Response(text="<html/>", content_type="text/html"), 13420),
        (web.Response(body=b"ID3", content_type="audio/mpeg"), None),
        (web.Response(body=b"RIFF", content_type="audio/wav"), None),
    ],
)
async def test_what_cannot_be_played_warns_and_is_skipped(answer: web.Response, code: int | None) -> None:
    async with application() as program, exchange(FastClock()) as switch:
        program.answers["/voice"] = twiml("<Play>/sound?secret=1</Play><Say>next</Say>")
        program.answers["/sound"] = answer
        call, phone = await call_in(switch, Document(url=f"{program.url}/voice"))
        assert codes(call)[0] == code
        assert "secret" not in str(call.alerts[0])
        assert speech.say("next") in phone.heard


async def test_say_is_a_tone_and_says_so_once() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline("<Say>a</Say><Say>b</Say><Say></Say>"))
        assert phone.heard.count(speech.say("a")) == 2
        assert codes(call) == [None]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('<Say loop="x">a</Say>', 13510),
        ('<Play loop="-1">/x</Play>', 13410),
        ('<Say>a</Say><Pause length="0"/>', 12200),
        ('<Say>a</Say><Pause length="1.5"/>', 12200),
        ("<Play/>", 12200),
    ],
)
async def test_odd_attributes_warn(body: str, code: int) -> None:
    async with exchange(FastClock()) as switch:
        call, _ = await call_in(switch, inline(body))
        assert code in codes(call)
        assert call.status == "completed"


async def test_loop_zero_goes_on_until_the_call_ends() -> None:
    async with exchange(FastClock()) as switch:
        call, phone = await call_in(switch, inline('<Say loop="0">a</Say>'), time_limit_s=3)
        assert phone.heard.count(speech.say("a")) >= 5
        assert call.duration_s is not None
        assert call.duration_s >= 3


def test_the_tone_is_audible() -> None:
    assert max(abs(value) for value in memoryview(decode_ulaw(speech.say("x"))).cast("h")) > 1000


class Parrot(Voice):
    """Says every text as so many bytes as it has letters, and keeps how it was asked."""

    def __init__(self) -> None:
        super().__init__("/nonexistent")
        self.asked: list[tuple[str, str, str]] = []

    async def say(self, text: str, *, voice: str = "", language: str = "") -> bytes | None:
        self.asked.append((text, voice, language))
        return None if text == "fail" else b"\x2a" * 160 * len(text)


async def test_with_a_voice_say_is_read_aloud() -> None:
    parrot = Parrot()
    async with exchange(FastClock(), voice=parrot) as switch:
        body = '<Say voice="man" language="de-DE" loop="2">abc</Say>'
        call, phone = await call_in(switch, inline(body))
        assert phone.heard.count(0x2A) == 160 * 3 * 2
        assert parrot.asked == [("abc", "man", "de-DE")]
        assert codes(call) == []


async def test_a_voice_that_fails_is_a_tone_with_a_warning() -> None:
    async with exchange(FastClock(), voice=Parrot()) as switch:
        call, phone = await call_in(switch, inline("<Say>fail</Say>"))
        assert speech.say("fail") in phone.heard
        assert codes(call) == [None]


async def test_the_apology_is_read_aloud_too() -> None:
    async with exchange(FastClock(), voice=Parrot()) as switch:
        _, phone = await call_in(switch, Document(twiml="<Response>"))
        assert phone.heard.count(0x2A) == 160 * len(APOLOGY)


async def test_a_text_longer_than_twilio_reads_is_warned_about() -> None:
    async with exchange(FastClock(), voice=Parrot()) as switch:
        call, _ = await call_in(switch, inline(f"<Say>{'x' * 4097}</Say>"), time_limit_s=1)
        assert "4097 characters" in str(call.alerts[0])
