"""
What a ``<Dial>`` asks for: whom to ring, as whom, for how long.

Sources: https://www.twilio.com/docs/voice/twiml/dial, ``/sip``, ``/number`` and ``/client``, and the error
dictionary's 132xx. What cannot be used warns with Twilio's code and is left out, so that the rest can ring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bridge.carrier.call.request import (
    EVENTS,
    TIME_LIMIT_S,
    CallRequest,
    Document,
    SipLogin,
    StatusCallback,
)
from bridge.carrier.call.sip_target import (
    CALLER,
    Fault,
    SipTargetFault,
    is_sip,
    login_fault,
    read_sip_target,
)
from bridge.carrier.call.step import Stage, http_method, resolve, whole_number
from bridge.carrier.phone import speech
from bridge.carrier.webhook.form import is_number, shown_from
from bridge.carrier.webhook.script import Script
from bridge.errors import AudioError
from bridge.twilio.twiml import Element

RING_TIMEOUT_S: Final = 30
MAX_RING_TIMEOUT_S: Final = 600
MAX_NOUNS: Final = 10
"""How many phones one ``<Dial>`` rings at once."""

_FAULTS: Final[dict[Fault, int | None]] = {
    "address": 13243,
    "too-long": None,
    "header-name": 13252,
    "header-value": 32112,
}
_DIAL_KNOWN: Final = frozenset(
    {"action", "method", "timeout", "callerId", "timeLimit", "hangupOnStar", "answerOnBridge"}
)
_CALLBACK: Final = frozenset({"statusCallback", "statusCallbackEvent", "statusCallbackMethod"})
_NOUNS_KNOWN: Final = {
    "Sip": _CALLBACK | {"username", "password"},
    "Number": _CALLBACK | {"byoc", "sendDigits"},
    "Client": _CALLBACK,
}


@dataclass(frozen=True, slots=True)
class Noun:
    """
    One phone to ring.

    Attributes:
        request: The call to it.
        opening: μ-law it hears as soon as it has answered: the tones of ``sendDigits``.

    """

    request: CallRequest
    opening: bytes = b""


class DialReader:
    """
    Reads one ``<Dial>``.

    Attributes:
        hang_up_on_star: Whether ``*`` ends the dialled call.
        answer_on_bridge: Whether the caller goes on ringing until somebody answers.

    """

    def __init__(self, stage: Stage, verb: Element, script: Script) -> None:
        self._stage = stage
        self._verb = verb
        self._script = script
        self.hang_up_on_star = self._flag("hangupOnStar", 13213)
        self.answer_on_bridge = self._flag("answerOnBridge", 12200)
        self._timeout_s = min(self._seconds("timeout", RING_TIMEOUT_S, 13212), MAX_RING_TIMEOUT_S)
        self._time_limit_s = self._seconds("timeLimit", TIME_LIMIT_S, 13216)
        self._warn_of_others(verb, _DIAL_KNOWN)

    def nouns(self) -> list[Noun]:
        """Give whom to ring, in the document's order; empty if nobody can be."""
        caller = self._verb.get("callerId") or shown_from(self._stage.call)
        if not CALLER.fullmatch(caller):
            self._warn(13214, f'<Dial callerId="{caller[:40]}"> cannot be shown')
            return []
        found = [noun for element in self._elements() if (noun := self._read(element, caller)) is not None]
        if len(found) > MAX_NOUNS:
            self._warn(None, f"<Dial> rings {MAX_NOUNS} phones at once; the others are left out")
        return found[:MAX_NOUNS]

    def _elements(self) -> Iterator[Element]:
        known = [child for child in self._verb.children if child.name in _NOUNS_KNOWN]
        for other in self._verb.children:
            if other not in known:
                self._warn(None, f"line {other.line}: <{other.name[:40]}> in <Dial> is not run here; skipped")
        if not self._verb.children and self._verb.text:
            yield Element("Number", text=self._verb.text, line=self._verb.line)
        for element in known:
            self._warn_of_others(element, _NOUNS_KNOWN[element.name])
            yield element

    def _read(self, element: Element, caller: str) -> Noun | None:
        match element.name:
            case "Sip":
                return self._sip(element, caller)
            case "Number":
                return self._number(element, caller)
            case _:
                return Noun(self._request(element, f"client:{element.text}", caller))

    def _sip(self, element: Element, caller: str) -> Noun | None:
        address = element.text if is_sip(element.text) else f"sip:{element.text}"
        try:
            target = read_sip_target(address)
        except SipTargetFault as fault:
            self._warn(_FAULTS[fault.kind], f"line {element.line}: {fault}")
            return None
        login = None
        if user := element.get("username"):
            password = element.get("password")
            if login_fault(user) or login_fault(password):
                self._warn(None, f"line {element.line}: username or password is missing, too long or odd")
            else:
                login = SipLogin(user, password)
        request = self._request(element, address, caller)
        return Noun(replace(request, sip=target.side, sip_login=login, sip_headers=target.headers))

    def _number(self, element: Element, caller: str) -> Noun | None:
        number = re.sub(r"[\s().-]", "", element.text)
        if not is_number(number):
            self._warn(13224, f"line {element.line}: {element.text[:40]!r} is no number in E.164 form")
            return None
        if "callerId" in self._verb.attributes and not is_number(caller):
            self._warn(13214, f'<Dial callerId="{caller[:40]}"> is no number, and a number is called')
            return None
        opening = b""
        try:
            opening = speech.digits(element.get("sendDigits"))
        except AudioError as fault:
            self._warn(12200, f"line {element.line}: sendDigits: {fault}")
        return Noun(self._request(element, number, caller), opening)

    def _request(self, element: Element, to: str, caller: str) -> CallRequest:
        return CallRequest(
            to=to,
            from_=caller,
            document=Document(),
            status_callback=self._callback(element),
            timeout_s=self._timeout_s,
            time_limit_s=self._time_limit_s,
            byoc=element.get("byoc") or None,
        )

    def _callback(self, element: Element) -> StatusCallback | None:
        if not element.get("statusCallback"):
            return None
        words = element.get("statusCallbackEvent", "completed").split()
        if unknown := sorted(set(words) - set(EVENTS)):
            self._warn(12200, f"line {element.line}: statusCallbackEvent knows no {unknown[0][:40]}")
        url = resolve(self._script, element.get("statusCallback"))
        events = frozenset(event for event in EVENTS if event in words)
        return StatusCallback(url, http_method(self._stage, element, "statusCallbackMethod"), events)

    def _seconds(self, attribute: str, default: int, code: int) -> int:
        seconds = whole_number(self._verb, attribute, default, least=1)
        if seconds is None:
            self._warn(code, f'<Dial {attribute}="{self._verb.get(attribute)[:40]}"> is no number of seconds')
        return seconds or default

    def _flag(self, attribute: str, code: int) -> bool:
        value = self._verb.get(attribute, "false").lower()
        if value not in {"true", "false"}:
            self._warn(code, f'<Dial {attribute}="{value[:40]}"> is neither true nor false')
        return value == "true"

    def _warn_of_others(self, element: Element, known: frozenset[str]) -> None:
        for attribute in sorted(element.attributes.keys() - known):
            self._warn(None, f"line {element.line}: {attribute[:40]} of <{element.name}> has no effect here")

    def _warn(self, code: int | None, message: str) -> None:
        self._stage.call.warn(code, message)
