"""
The fields of a request to place a call, each with its reader, and what they mean for each other.

Source: https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource. The fields keep Twilio's
names, in the helper library's spelling; ``parameters`` and ``sinks`` are ours. What Twilio would silently
ignore is refused, because whoever sent it meant something by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from bridge.calls.destination import Kind
from bridge.calls.field import Reader, choice, flag, names, parameters, pattern, text, url, whole, words
from bridge.errors import InvalidField

ALIASES: Final = {
    "phone_number": "to",
    "phoneNumber": "to",
    "status_callback_events": "status_callback_event",
}

EVENTS: Final = ("initiated", "ringing", "answered", "completed")

_method: Final = choice("GET", "POST")

# Sent to the Calls API as they are.
CARRIER_FIELDS: Final[dict[str, Reader]] = {
    "byoc": pattern(r"BY[0-9a-fA-F]{32}", "Send the SID of a BYOC trunk: BY and 32 hexadecimal digits."),
    "sip_auth_username": text(255),
    "sip_auth_password": text(255),
    "method": _method,
    "fallback_url": url,
    "fallback_method": _method,
    "timeout": whole(1, 600, "seconds of ringing"),
    "time_limit": whole(1, 86_400, "seconds"),
    "send_digits": pattern(
        r"[0-9A-D#*wW]{1,32}", "Send up to 32 of 0-9, A-D, # and *, with w for half a second and W for one."
    ),
    "machine_detection": choice("Enable", "DetectMessageEnd"),
    "machine_detection_timeout": whole(3, 59, "seconds"),
    "machine_detection_speech_threshold": whole(1000, 6000, "milliseconds"),
    "machine_detection_speech_end_threshold": whole(500, 5000, "milliseconds"),
    "machine_detection_silence_timeout": whole(2000, 10_000, "milliseconds"),
    "async_amd": flag,
    "record": flag,
    "recording_channels": choice("mono", "dual"),
    "recording_track": choice("inbound", "outbound", "both"),
    "recording_status_callback": url,
    "recording_status_callback_method": _method,
    "recording_status_callback_event": words("in-progress", "completed", "absent"),
    "trim": choice("trim-silence", "do-not-trim"),
    "caller_id": text(255),
    "call_reason": text(50),
}

# Read here, and sent in another form or not at all.
_OUR_FIELDS: Final[dict[str, Reader]] = {
    "to": text(1300),
    "from": text(255),
    "url": url,
    "status_callback": url,
    "status_callback_event": words(*EVENTS),
    "status_callback_method": _method,
    "async_amd_status_callback": url,
    "async_amd_status_callback_method": _method,
    "parameters": parameters,
    "sinks": names,
}

FIELDS: Final = _OUR_FIELDS | CARRIER_FIELDS

_NEEDS: Final = {
    "method": "url",
    "fallback_url": "url",
    "fallback_method": "fallback_url",
    "status_callback_event": "status_callback",
    "status_callback_method": "status_callback",
    "sip_auth_username": "sip_auth_password",
    "sip_auth_password": "sip_auth_username",
    "machine_detection_timeout": "machine_detection",
    "machine_detection_speech_threshold": "machine_detection",
    "machine_detection_speech_end_threshold": "machine_detection",
    "machine_detection_silence_timeout": "machine_detection",
    "async_amd": "machine_detection",
    "async_amd_status_callback": "async_amd",
    "async_amd_status_callback_method": "async_amd_status_callback",
    "recording_channels": "record",
    "recording_track": "record",
    "recording_status_callback": "record",
    "recording_status_callback_method": "recording_status_callback",
    "recording_status_callback_event": "recording_status_callback",
    "trim": "record",
}

_EXCLUDES: Final = {
    "parameters": ("url", "your own document carries its own <Parameter>s"),
    "sinks": ("url", "your own document decides where the audio goes"),
    "machine_detection": ("send_digits", "Twilio then does not detect anything"),
}

_KINDS: Final = {"byoc": "number", "sip_auth_username": "sip", "sip_auth_password": "sip"}
_KIND_NAMES: Final = {"number": "a phone number", "sip": "a sip: address"}


def spell(fields: Mapping[str, object]) -> dict[str, str]:
    """Map each known name to the name the request uses for it."""
    spelling = dict[str, str]()
    for given in (given for given, value in fields.items() if value is not None):
        name = ALIASES.get(given, given)
        if name not in FIELDS:
            raise InvalidField(given[:60], "there is no such field.", _suggestion(given[:60]))
        if name in spelling:
            raise InvalidField(given, f"it says the same as {spelling[name]}.", "Send only one of them.")
        spelling[name] = given
    return spelling


def _suggestion(given: str) -> str:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", given).lower()
    near = get_close_matches(snake, FIELDS, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known are {', '.join(sorted(FIELDS))}."


def check_together(values: Mapping[str, object], kind: Kind) -> None:
    """Check what one value means for another."""
    for name, needed_kind in _KINDS.items():
        if name in values and kind != needed_kind:
            raise InvalidField(
                name,
                f"it works only for {_KIND_NAMES[needed_kind]}; Twilio would ignore it.",
                "Leave it out.",
            )
    for name, needed in _NEEDS.items():
        if values.get(name) is not None and values.get(name) is not False and not values.get(needed):
            raise InvalidField(
                name, f"it means nothing without {needed}.", f"Send {needed} too, or leave it out."
            )
    for name, (other, because) in _EXCLUDES.items():
        if values.get(name) and values.get(other):
            raise InvalidField(name, f"it cannot be sent with {other}: {because}.", "Send only one of them.")
