"""
From an answer of the application to something that can be run.

Source: https://www.twilio.com/docs/voice/twiml#twilios-request-to-your-application: which content types are
TwiML, which are played or read aloud, and which are errors; and when the fallback URL is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import Document, HttpMethod
from bridge.carrier.webhook.answer import Failure, Reply, shown_url
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.carrier.webhook.form import Form, call_form
from bridge.errors import TwimlError
from bridge.twilio.twiml import Element, parse

TWIML_TYPES: Final = frozenset({"text/xml", "application/xml", "text/html"})


@dataclass(frozen=True, slots=True)
class Script:
    """
    What a call runs next.

    Attributes:
        verbs: In their order.
        url: Where the document came from, to resolve relative URLs against; ``None`` for inline TwiML.
        audio: An audio file given in place of verbs; it is played, then the call ends.

    """

    verbs: tuple[Element, ...] = ()
    url: str | None = None
    audio: bytes | None = None


class ScriptLoader:
    """Loads a call's documents, asking its fallback URL when one cannot be had or read."""

    def __init__(self, client: WebhookClient, call: CarrierCall) -> None:
        self._client = client
        self._call = call

    async def load(self, document: Document) -> Script | None:
        """
        Get a document and read it.

        Returns:
            The script; ``None`` if there is none to be had. The call has then been warned why.

        """
        if document.url is None:
            return self._inline(document.twiml or "")
        script = await self._ask(document.url, document.method, list(document.fields))
        if isinstance(script, Script):
            return script
        self._call.warn(script.code, f"{shown_url(script.url)}: {script.message}")
        if document.fallback_url is None:
            return None
        error: Form = [*document.fields, ("ErrorCode", str(script.code)), ("ErrorUrl", script.url)]
        script = await self._ask(document.fallback_url, document.fallback_method, error)
        if isinstance(script, Script):
            return script
        self._call.warn(script.code, f"fallback {shown_url(script.url)}: {script.message}")
        return None

    def _inline(self, twiml: str) -> Script | None:
        try:
            return Script(parse(twiml).children)
        except TwimlError as fault:
            self._call.warn(fault.code, f"inline TwiML: {fault}")
            return None

    async def _ask(self, url: str, method: HttpMethod, fields: Form) -> Script | Failure:
        answer = await self._client.ask(url, method, call_form(self._call) + fields, warn=self._call.warn)
        return read_script(answer) if isinstance(answer, Reply) else answer


def read_script(reply: Reply) -> Script | Failure:
    """Make a script of an answer, by its content type."""
    if not reply.content_type:
        return Failure(12300, "the answer has no Content-Type", reply.url)
    if reply.content_type.startswith("audio/"):
        return Script(audio=reply.body, url=reply.url)
    if reply.chunked and not reply.body:
        return Failure(11770, "the answer is chunked and empty", reply.url)
    if reply.content_type != "text/plain" and reply.content_type not in TWIML_TYPES:
        return Failure(12300, f"content type {reply.content_type[:60]} is neither TwiML nor audio", reply.url)
    try:
        return Script(parse(reply.body).children, reply.url)
    except TwimlError as fault:
        if reply.content_type == "text/plain":
            text = reply.body.decode("utf-8", "replace").strip()
            return Script((Element("Say", text=text),), reply.url)
        return Failure(fault.code, str(fault), reply.url)
