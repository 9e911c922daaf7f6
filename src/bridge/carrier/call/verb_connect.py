"""
``<Connect><Stream>``: the call's audio goes to a media socket until one side ends that.

Sources: https://www.twilio.com/docs/voice/twiml/connect, ``/stream`` and the error dictionary's 319xx.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin, urlsplit

from bridge.carrier.call.call import new_sid
from bridge.carrier.call.equipment import Equipment
from bridge.carrier.call.request import Document
from bridge.carrier.call.step import Stage, Step, http_method, resolve
from bridge.carrier.stream.client import StreamOutcome, StreamRequest, run_stream
from bridge.carrier.stream.url import StreamFault, handshake_url
from bridge.carrier.webhook.callback import StreamReport
from bridge.carrier.webhook.fetch import signable_url
from bridge.carrier.webhook.script import Script
from bridge.twilio.signature import sign
from bridge.twilio.twiml import MAX_PARAMETER_CHARACTERS, Element

_KNOWN: Final = frozenset({"url", "name", "track", "statusCallback", "statusCallbackMethod", "connectorName"})


class Connector:
    """Runs ``<Connect>`` on one call."""

    def __init__(self, stage: Stage, equipment: Equipment) -> None:
        self._stage = stage
        self._equipment = equipment

    async def connect(self, verb: Element, script: Script, document: Document) -> Step:
        """Stream; then go on with ``action``'s document, or with the next verb."""
        nouns = list(verb.find("Stream"))
        for other in verb.children:
            if other.name != "Stream":
                self._warn(
                    12200, f"line {other.line}: <{other.name[:40]}> in <Connect> is not known here; skipped"
                )
        if not nouns:
            return None
        if len(nouns) > 1:
            self._warn(
                12200, f"line {nouns[1].line}: one <Stream> in <Connect> is enough; the others are skipped"
            )
        await self._stage.answer()
        await self._stream(nouns[0], script)
        action = verb.get("action")
        if not action:
            return None
        method = http_method(self._stage, verb, "method")
        return replace(document, url=resolve(script, action), method=method, twiml=None, fields=())

    async def _stream(self, noun: Element, script: Script) -> None:
        stream_sid = new_sid("MZ")
        name = noun.get("name") or stream_sid
        report = None
        if noun.get("statusCallback"):
            url, method = resolve(script, noun.get("statusCallback")), "statusCallbackMethod"
            report = StreamReport(url, http_method(self._stage, noun, method), stream_sid, name)
        for attribute in sorted(noun.attributes.keys() - _KNOWN):
            self._warn(12200, f"line {noun.line}: <Stream> has no attribute {attribute[:40]}")
        outcome = self._refusal(noun)
        if outcome is None:
            outcome = await self._run(self._request(noun, script, stream_sid), report)
        self._ended(outcome, report)

    def _refusal(self, noun: Element) -> StreamOutcome | None:
        """Say why a stream is not even tried."""
        if noun.get("track", "inbound_track") != "inbound_track":
            return StreamOutcome(
                "failed", 31941, f'track="{noun.get("track")[:40]}": <Connect> streams inbound_track'
            )
        if "connectorName" in noun.attributes:
            return StreamOutcome(
                "failed", 31940, f"connector {noun.get('connectorName')[:40]} does not exist"
            )
        return None

    def _request(self, noun: Element, script: Script, stream_sid: str) -> StreamRequest:
        url = stream_url(script, noun.get("url"))
        if "?" in url:
            self._warn(None, "the query of a <Stream> URL is removed; use <Parameter>")
        target = handshake_url(url)
        token = self._equipment.auth_token
        signature = None
        if token is not None and not isinstance(target, StreamFault):
            signature = sign(token, signable_url(target))
        return StreamRequest(
            url=url,
            name=noun.get("name") or None,
            parameters=self._parameters(noun),
            account_sid=self._equipment.account_sid,
            call_sid=self._stage.call.sid,
            stream_sid=stream_sid,
            signature=signature,
        )

    def _parameters(self, noun: Element) -> dict[str, str]:
        parameters: dict[str, str] = {}
        for parameter in noun.find("Parameter"):
            name, value = parameter.get("name"), parameter.get("value")
            if len(name) + len(value) < MAX_PARAMETER_CHARACTERS:
                parameters[name] = value
            else:
                self._warn(
                    None, f"<Parameter> {name[:40]} has {len(name) + len(value)} characters; it is left out"
                )
        return parameters

    async def _run(self, request: StreamRequest, report: StreamReport | None) -> StreamOutcome:
        """Run the stream; at the call's end it is told to stop, so that its outcome is known even then."""

        def started() -> None:
            if report is not None:
                self._equipment.callbacks.stream_event(self._stage.call, report, "stream-started")

        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            stream = group.create_task(
                run_stream(
                    request,
                    self._stage.line,
                    clock=self._equipment.clock,
                    jitter=self._equipment.jitter,
                    warn=self._warn,
                    call_ended=over,
                    started=started,
                )
            )
            try:
                await asyncio.wait([stream])
            except asyncio.CancelledError:
                over.set()
                await asyncio.wait([stream])
                if stream.exception() is None:
                    self._ended(stream.result(), report)
                raise
        return stream.result()

    def _ended(self, outcome: StreamOutcome, report: StreamReport | None) -> None:
        call = self._stage.call
        call.streams.append(outcome)
        if outcome.error_code is not None:
            self._warn(outcome.error_code, f"stream: {outcome.error}")
        if report is None:
            return
        if outcome.reason == "failed":
            self._equipment.callbacks.stream_event(call, report, "stream-error", outcome.error)
        else:
            # A close by the server logs 31921, but it is how a server is meant to end a stream.
            self._equipment.callbacks.stream_event(call, report, "stream-stopped")

    def _warn(self, code: int | None, message: str) -> None:
        self._stage.call.warn(code, message)


def stream_url(script: Script, url: str) -> str:
    """Make a ``<Stream>`` URL absolute; one relative to an https document means wss there."""
    if script.url is None or urlsplit(url).scheme:
        return url
    absolute = urljoin(script.url, url)
    scheme, separator, rest = absolute.partition("://")
    return {"https": "wss", "http": "ws"}.get(scheme, scheme) + separator + rest
