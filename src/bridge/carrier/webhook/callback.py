"""
Status callbacks: what a call, its streams and its machine detection report to the application.

Each is one signed request of its own; like Twilio's they may overtake each other, which is what
``SequenceNumber`` is for. Sources: https://www.twilio.com/docs/voice/api/call-resource#statuscallback,
https://www.twilio.com/docs/voice/twiml/stream#statuscallback and
https://www.twilio.com/docs/voice/answering-machine-detection; field sets as captured from Twilio.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final, Literal

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import Event, HttpMethod
from bridge.carrier.webhook.answer import Failure, shown_url
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.carrier.webhook.form import Form, call_form
from bridge.clock import Clock

Spawn = Callable[[Coroutine[object, object, None]], None]
StreamEvent = Literal["stream-started", "stream-stopped", "stream-error"]

_STATUS_OF: Final[dict[Event, str]] = {
    "initiated": "initiated",
    "ringing": "ringing",
    "answered": "in-progress",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamReport:
    """Who is told of one stream's life, and what it is called there."""

    url: str
    method: HttpMethod
    stream_sid: str
    name: str


class Callbacks:
    """
    Sends callbacks without making the call wait for them.

    Args:
        client: Asks the application.
        clock: For the time stamps.
        spawn: Runs a request beside the call; it may outlive it.

    """

    def __init__(self, client: WebhookClient, *, clock: Clock, spawn: Spawn) -> None:
        self._client = client
        self._clock = clock
        self._spawn = spawn

    def call_event(self, call: CarrierCall, event: Event) -> None:
        """
        Tell of a call's event, if it was subscribed to.

        ``SequenceNumber`` counts subscribed events alone: ``completed`` by itself carries 0, with all four it
        carries 3 (so skipped ones, e.g. ``answered`` of a busy call, leave no hole).
        """
        callback = call.request.status_callback
        # An incoming call only ever reports its end (https://www.twilio.com/docs/voice/twiml#statuscallback).
        if (
            callback is None
            or event not in callback.events
            or (call.direction == "inbound" and not call.over)
        ):
            return
        form = call_form(call, _STATUS_OF.get(event))
        form += [
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", str(call.callbacks_sent)),
            ("Timestamp", format_datetime(self._clock.utc())),
        ]
        if event == "completed":
            form += _terminal_fields(call)
        call.callbacks_sent += 1
        self._spawn(self._send(call, callback.url, callback.method, form))

    def stream_event(
        self, call: CarrierCall, report: StreamReport, event: StreamEvent, error: str | None = None
    ) -> None:
        """Tell of a stream's event; ``error`` is the text of a ``stream-error``."""
        form: Form = [
            ("AccountSid", call.account_sid),
            ("CallSid", call.sid),
            ("StreamSid", report.stream_sid),
            ("StreamName", report.name),
            ("StreamEvent", event),
            # ISO 8601 here, unlike the call's RFC 2822.
            ("Timestamp", self._clock.utc().isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        ]
        if error is not None:
            form.append(("StreamError", error))
        self._spawn(self._send(call, report.url, report.method, form))

    def machine_detected(self, call: CarrierCall, url: str, method: HttpMethod, answered_by: str) -> None:
        """Tell the result of asynchronous machine detection."""
        form: Form = [
            ("AccountSid", call.account_sid),
            ("CallSid", call.sid),
            ("AnsweredBy", answered_by),
            ("MachineDetectionDuration", "0"),
        ]
        self._spawn(self._send(call, url, method, form))

    async def _send(self, call: CarrierCall, url: str, method: HttpMethod, form: Form) -> None:
        answer = await self._client.ask(url, method, form, warn=call.warn)
        if not isinstance(answer, Failure):
            return
        # 15003: the application answered, but with an error; other failures keep their own code.
        code = 15003 if answer.policy in {"4xx", "5xx"} else answer.code
        call.warn(code, f"callback to {shown_url(answer.url)}: {answer.message}")


def _terminal_fields(call: CarrierCall) -> Form:
    """What only a call's last callback carries; both durations are "0" for unanswered calls, as captured."""
    seconds = call.duration_s or 0
    form: Form = [("CallDuration", str(seconds)), ("Duration", str(math.ceil(seconds / 60)))]
    if call.sip_status is not None:
        form.append(("SipResponseCode", str(call.sip_status)))
    return form
