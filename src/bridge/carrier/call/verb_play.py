"""
``<Say>``, ``<Play>`` and ``<Pause>``: what a call hears that no stream sends.

Sources: https://www.twilio.com/docs/voice/twiml/say, ``/play`` and ``/pause``.
"""

from __future__ import annotations

import asyncio
from typing import Final

from bridge.carrier.call.step import Stage, resolve, whole_number
from bridge.carrier.phone import speech
from bridge.carrier.phone.keypad import press_on
from bridge.carrier.phone.voice import MAX_CHARACTERS, Voice
from bridge.carrier.webhook.answer import Failure, shown_url
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.carrier.webhook.script import Script
from bridge.clock import Clock
from bridge.errors import AudioError
from bridge.twilio.twiml import Element

NO_VOICE: Final = "<Say> is a short tone here: espeak-ng, which would read it aloud, is not installed"

APOLOGY: Final = "An application error has occurred. Goodbye."

ENDLESS_LOOPS: Final = 1000
"""``loop="0"`` means until the call ends, or a thousand times."""

_WAV_TYPES: Final = frozenset({"audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave"})


class Player:
    """Runs the verbs that only play; each returns when it was heard."""

    def __init__(self, stage: Stage, client: WebhookClient, clock: Clock, voice: Voice | None = None) -> None:
        self._stage = stage
        self._client = client
        self._clock = clock
        self._voice = voice

    async def say(self, verb: Element) -> None:
        """Read aloud; where there is no voice, play a short tone in its place."""
        if len(verb.text) > MAX_CHARACTERS:
            message = f"<Say> has {len(verb.text)} characters; {MAX_CHARACTERS} are said"
            self._stage.call.warn(None, f"line {verb.line}: {message}")
        await self._stage.answer()
        payload = await self._spoken(verb.text, verb.get("voice"), verb.get("language"))
        await self._repeat(payload, self._loops(verb, 13510))

    async def _spoken(self, text: str, voice: str = "", language: str = "") -> bytes:
        call = self._stage.call
        if self._voice is not None:
            payload = await self._voice.say(text, voice=voice, language=language)
            if payload is not None:
                return payload
            call.warn(None, "<Say> is a short tone this time: espeak-ng failed")
        elif all(alert.message != NO_VOICE for alert in call.alerts):
            call.warn(None, NO_VOICE)
        return speech.say(text)

    async def play(self, verb: Element, script: Script) -> None:
        """Press digits (dual tones, where the phone has no better way), or play a WAV file from its URL."""
        await self._stage.answer()
        if "digits" in verb.attributes:
            try:
                await press_on(self._stage.line, verb.get("digits"))
            except AudioError as fault:
                self._stage.call.warn(12200, f'<Play digits="{verb.get("digits")[:40]}">: {fault}')
        elif verb.text:
            await self.play_url(resolve(script, verb.text), self._loops(verb, 13410))
        else:
            self._stage.call.warn(12200, f"line {verb.line}: <Play> has neither a URL nor digits")

    async def play_url(self, url: str, loops: int) -> None:
        """Fetch a WAV file and play it."""
        answer, shown = await self._client.fetch(url), shown_url(url)
        if isinstance(answer, Failure):
            self._stage.call.warn(answer.code, f"<Play> {shown}: {answer.message}")
        elif answer.content_type not in _WAV_TYPES:
            if answer.content_type.startswith("audio/"):
                self._stage.call.warn(
                    None, f"<Play> {shown}: {answer.content_type} is not decoded here, only WAV is"
                )
            else:
                self._stage.call.warn(
                    13420, f"<Play> {shown}: content type {answer.content_type[:60]!r} is no audio"
                )
        else:
            await self.play_file(answer.body, url, loops)

    async def play_file(self, content: bytes, url: str, loops: int = 1) -> None:
        """Play a WAV file's content."""
        await self._stage.answer()
        try:
            payload = await asyncio.to_thread(speech.load_wav, content)  # long files take long to convert
        except AudioError as fault:
            self._stage.call.warn(None, f"<Play> {shown_url(url)}: {fault}")
            return
        await self._repeat(payload, loops)

    async def pause(self, verb: Element) -> None:
        """Wait. Before the answer this delays it: the phone goes on ringing, as with Twilio."""
        seconds = whole_number(verb, "length", 1, least=1)
        if seconds is None:
            self._stage.call.warn(
                12200, f'<Pause length="{verb.get("length")[:40]}"> is no number of seconds'
            )
            seconds = 1
        if self._stage.call.answered is None:
            await self._clock.sleep_until_s(self._clock.now_s() + seconds)
        else:
            await self._stage.line.pause(seconds)

    async def apologise(self) -> None:
        """Play what stands for Twilio's "an application error has occurred"."""
        await self._stage.answer()
        if self._voice is None:  # what went wrong was warned about; that there is no voice adds nothing
            await self._repeat(speech.say(APOLOGY), 2)
        else:
            await self._repeat(await self._spoken(APOLOGY), 1)

    def _loops(self, verb: Element, code: int) -> int:
        loops = whole_number(verb, "loop", 1, least=0)
        if loops is None:
            self._stage.call.warn(code, f'<{verb.name} loop="{verb.get("loop")[:40]}"> is no whole number')
            return 1
        return loops or ENDLESS_LOOPS

    async def _repeat(self, payload: bytes, loops: int) -> None:
        if payload:
            for _ in range(loops):
                await self._stage.line.play(payload)
