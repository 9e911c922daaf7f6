"""
Runs a call's TwiML: one verb after the other, one document after the other.

Source: https://www.twilio.com/docs/voice/twiml. Names are case-sensitive; what is unknown warns (12200) and
is skipped. What Twilio knows and this carrier cannot do is skipped too, with a warning that says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.request import Document
from bridge.carrier.call.step import Stage, Step, Verdict, http_method, resolve
from bridge.carrier.call.verb_connect import Connector
from bridge.carrier.call.verb_dial import Dialer
from bridge.carrier.call.verb_play import Player
from bridge.carrier.webhook.script import Script, ScriptLoader
from bridge.twilio.twiml import Element

MAX_DOCUMENTS: Final = 1000
"""One call runs no more: ``<Redirect>`` to itself would otherwise ask the application without end."""

_NOT_HERE: Final = frozenset(
    {
        "Echo",
        "Enqueue",
        "Gather",
        "Leave",
        "Pay",
        "Prompt",
        "Queue",
        "Record",
        "Refer",
        "Sms",
        "Start",
        "Stop",
    }
)


class Interpreter:
    """Runs documents on one call until they end it."""

    def __init__(self, stage: Stage, equipment: Equipment) -> None:
        self._stage = stage
        self._loader = ScriptLoader(equipment.client, stage.call)
        self._player = Player(stage, equipment.client, equipment.clock, equipment.voice)
        self._connector = Connector(stage, equipment)
        self._dialer = Dialer(stage, equipment)

    async def run(self, document: Document) -> Verdict:
        """Run a document and those it leads to; the verdict says how the call is to end."""
        for _ in range(MAX_DOCUMENTS):
            script = await self._loader.load(document)
            if script is None:
                await self._player.apologise()
                return "hang-up"
            step = await self._run_script(script, document)
            if not isinstance(step, Document):
                return step
            document = step
        self._stage.call.warn(None, f"more than {MAX_DOCUMENTS} documents in one call: it is ended")
        return "hang-up"

    async def _run_script(self, script: Script, document: Document) -> Document | Verdict:
        if script.audio is not None:
            await self._player.play_file(script.audio, script.url or "")
            return "hang-up"
        for verb in script.verbs:
            step = await self._run_verb(verb, script, document)
            if step is not None:
                return step
        # An empty document is an answered call that ends at once: only <Reject> and <Pause> delay the answer.
        await self._stage.answer()
        return "hang-up"

    async def _run_verb(self, verb: Element, script: Script, document: Document) -> Step:
        match verb.name:
            case "Say":
                await self._player.say(verb)
            case "Play":
                await self._player.play(verb, script)
            case "Pause":
                await self._player.pause(verb)
            case "Connect":
                return await self._connector.connect(verb, script, document)
            case "Dial":
                return await self._dialer.dial(verb, script, document)
            case "Redirect":
                return self._redirect(verb, script, document)
            case "Hangup":
                await self._stage.answer()
                return "hang-up"
            case "Reject":
                return self._reject(verb)
            case name if name in _NOT_HERE:
                self._stage.call.warn(
                    None, f"line {verb.line}: <{name}> is not run by the local carrier; skipped"
                )
            case name:
                self._stage.call.warn(12200, f"line {verb.line}: unknown verb <{name[:40]}>; skipped")
        return None

    def _redirect(self, verb: Element, script: Script, document: Document) -> Step:
        url = resolve(script, verb.text)
        if not url:
            self._stage.call.warn(12200, f"line {verb.line}: <Redirect> has no URL")
            return "hang-up"
        method = http_method(self._stage, verb, "method")
        return replace(document, url=url, method=method, twiml=None, fields=())

    def _reject(self, verb: Element) -> Verdict:
        """Refuse the call; the statuses are documented at https://www.twilio.com/docs/voice/twiml/reject."""
        if self._stage.call.answered is not None:
            self._stage.call.warn(None, "<Reject> after the answer can only hang up")
            return "hang-up"
        return "busy" if verb.get("reason") == "busy" else "no-answer"
