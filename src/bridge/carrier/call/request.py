"""What a call was asked to be: the Calls API's parameters, and a phone number's own settings, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

HttpMethod = Literal["GET", "POST"]
Event = Literal["initiated", "ringing", "answered", "completed"]

EVENTS: Final[tuple[Event, ...]] = ("initiated", "ringing", "answered", "completed")
"""Every event of a call, in the order in which they happen."""

RING_TIMEOUT_S: Final = 60
"""How long a phone rings unless ``Timeout`` says otherwise; Twilio's most is 600."""

TIME_LIMIT_S: Final = 14_400
"""How long a call may last unless ``TimeLimit`` says otherwise."""


@dataclass(frozen=True, slots=True)
class Document:
    """
    Where a call's TwiML comes from.

    Attributes:
        url: Asked for the document; ``None`` where ``twiml`` holds it.
        method: How ``url`` is asked.
        twiml: The document itself; ``url`` wins over it (Twilio's warning 32019).
        fallback_url: Asked when ``url`` fails or answers with a document that cannot be read.
        fallback_method: How ``fallback_url`` is asked.
        fields: Sent beside the call's own, e.g. how a ``<Dial>`` went to its ``action``.

    """

    url: str | None = None
    method: HttpMethod = "POST"
    twiml: str | None = None
    fallback_url: str | None = None
    fallback_method: HttpMethod = "POST"
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class StatusCallback:
    """Who is told of a call's progress, and of which events; Twilio's default is ``completed`` alone."""

    url: str
    method: HttpMethod = "POST"
    events: frozenset[Event] = frozenset({"completed"})


@dataclass(frozen=True, slots=True)
class MachineDetection:
    """
    Answering machine detection as asked for. The local carrier only answers ``unknown``.

    Attributes:
        mode: ``Enable`` or ``DetectMessageEnd``.
        async_url: With ``AsyncAmd``, who is told the result while the call goes on; ``None`` otherwise.
        async_method: How it is told.

    """

    mode: str
    async_url: str | None = None
    async_method: HttpMethod = "POST"


@dataclass(frozen=True, slots=True)
class SipSide:
    """
    What Twilio knows of the SIP end of a call, sent with its webhooks.

    Attributes:
        domain: The SIP Domain called, or the callee's host.
        domain_sid: ``SD…``, known for calls into a SIP Domain only.
        call_id: The dialog's Call-ID.
        source_ip: The peer's address.
        headers: The peer's ``X-`` headers and ``User-to-User``, by name.

    """

    domain: str
    call_id: str
    source_ip: str = "127.0.0.1"
    domain_sid: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SipLogin:
    """What a challenge by the called SIP server is answered with; the password shows in no representation."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallRequest:
    """
    One call as it was asked for.

    Attributes:
        to: E.164 number, ``sip:`` URI (headers after a ``?`` included) or ``client:`` name.
        from_: The same kinds; toward SIP, the user part of the caller.
        document: Where its TwiML comes from.
        status_callback: Who is told of its progress.
        timeout_s: Seconds the phone may ring.
        time_limit_s: Seconds the call may last once it is answered.
        send_digits: Played as dual tones right after the answer; ``w`` waits half a second, ``W`` one.
        machine_detection: As asked for, or ``None``.
        caller_id: Shown instead of ``from_``, if given.
        sip: The SIP end, where there is one.
        sip_login: Answers a challenge by the called SIP server; ``None`` for none.
        sip_headers: Sent with the INVITE, names and values decoded; they stand after the ``?`` of ``to``.
        byoc: ``BY…``, the trunk a number is to be called through; ``None`` leaves the choice to the carrier.
        extra: Further webhook fields, e.g. ``StirVerstat`` or ``CallerName``.
        notes: Warnings (with Twilio's code, if it has one) that the call gets as soon as it exists.

    """

    to: str
    from_: str
    document: Document
    status_callback: StatusCallback | None = None
    timeout_s: float = RING_TIMEOUT_S
    time_limit_s: float = TIME_LIMIT_S
    send_digits: str = ""
    machine_detection: MachineDetection | None = None
    caller_id: str | None = None
    sip: SipSide | None = None
    sip_login: SipLogin | None = None
    sip_headers: tuple[tuple[str, str], ...] = ()
    byoc: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[int | None, str], ...] = ()
