"""The request to place a call: checked as a whole before anything leaves, then said in Twilio's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict, cast

from bridge.calls.destination import Destination, read_caller, read_destination
from bridge.calls.placing_rules import CARRIER_FIELDS, EVENTS, FIELDS, check_together, spell
from bridge.calls.record import CallbackCopy
from bridge.errors import InvalidField

DEFAULT_NAME: Final = "bridge"
"""From whom SIP phones and clients are called where neither the request nor the settings say."""

Method = Literal["GET", "POST"]

_Read = TypedDict(
    "_Read",
    {
        "to": str,
        "from": str,
        "url": str,
        "status_callback": str,
        "status_callback_event": list[str],
        "status_callback_method": Method,
        "async_amd_status_callback": str,
        "async_amd_status_callback_method": Method,
        "parameters": dict[str, str],
        "sinks": tuple[str, ...],
    },
    total=False,
)
"""What the readers in ``placing_rules`` make of the fields that are looked at here."""


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """
    A checked request.

    Attributes:
        to: Whom to call.
        from_: From whom.
        url: Where Twilio shall fetch its document; ``None`` for ours.
        options: Everything the Calls API takes as it is, by the helper library's names.
        parameters: For every sink; sent as ``<Parameter>``.
        sinks: In place of the configured ones; ``None`` keeps those.
        status_copy: Who gets copies of the status callbacks.
        amd_copy: Who gets a copy of the machine-detection callback.
        hints: Remarks that do not stop the call.

    """

    to: Destination
    from_: str
    url: str | None = None
    options: Mapping[str, object] = field(default_factory=dict, repr=False)  # may hold a password
    parameters: Mapping[str, str] = field(default_factory=dict)
    sinks: tuple[str, ...] | None = None
    status_copy: CallbackCopy | None = None
    amd_copy: CallbackCopy | None = None
    hints: tuple[str, ...] = ()


def read_place_call(fields: Mapping[str, object], *, default_from: str | None = None) -> PlaceCall:
    """
    Check a request as a whole.

    Args:
        fields: As decoded from JSON or a form; ``None`` counts as absent.
        default_from: From whom, where the request does not say. Without it only phone numbers need ``from``.

    Raises:
        InvalidField: The first thing found wrong: unknown fields first, then values, then what contradicts.

    """
    spelling = spell(fields)
    values = {name: FIELDS[name](given, fields[given]) for name, given in spelling.items()}
    read = cast("_Read", values)  # each value came from the reader of its name
    if "to" not in read:
        raise InvalidField("to", "it is missing.", "Send e.g. +12025550123 or sip:name@pbx.example.com.")
    to = read_destination(spelling["to"], read["to"])
    check_together(values, to.kind)
    caller = read.get("from") or default_from
    if not caller and to.kind == "number":
        raise InvalidField(
            "from",
            "it is missing, and no number is configured.",
            "Send a number your Twilio account owns or has verified, or set TWILIO_PHONE_NUMBER.",
        )
    from_ = read_caller("from", caller or DEFAULT_NAME, to.kind)
    return PlaceCall(
        to=to,
        from_=from_.address,
        url=read.get("url"),
        options={name: value for name, value in values.items() if name in CARRIER_FIELDS},
        parameters=read.get("parameters", {}),
        sinks=read.get("sinks"),
        status_copy=_status_copy(read),
        amd_copy=_amd_copy(read),
        hints=tuple(remark for remark in (to.hint, from_.hint) if remark),
    )


def _status_copy(read: _Read) -> CallbackCopy | None:
    if "status_callback" not in read:
        return None
    # Without a list of events Twilio sends the last one only.
    events = frozenset(read.get("status_callback_event", ["completed"]))
    return CallbackCopy(read["status_callback"], events, read.get("status_callback_method", "POST"))


def _amd_copy(read: _Read) -> CallbackCopy | None:
    if "async_amd_status_callback" not in read:
        return None
    method = read.get("async_amd_status_callback_method", "POST")
    return CallbackCopy(read["async_amd_status_callback"], frozenset(), method)


def create_arguments(
    request: PlaceCall, *, twiml: str | None, status_callback: str, amd_callback: str
) -> dict[str, object]:
    """
    Give the keyword arguments of the helper library's ``client.calls.create``.

    Args:
        request: What was asked for.
        twiml: Our document; left out where the request brings a ``url``.
        status_callback: Our own URL, which always hears all four events.
        amd_callback: Our own URL for the result of asynchronous machine detection, sent only with that.

    """
    arguments: dict[str, object] = {
        "to": request.to.address,
        "from_": request.from_,
        "status_callback": status_callback,
        "status_callback_event": list(EVENTS),
        "status_callback_method": "POST",
        **request.options,
    }
    arguments |= {"twiml": twiml} if request.url is None else {"url": request.url}
    if "async_amd" in arguments:
        # The helper library turns other flags into text by itself, but not this one.
        arguments["async_amd"] = "true" if request.options["async_amd"] else "false"
        if request.options["async_amd"]:
            arguments["async_amd_status_callback"] = amd_callback
            arguments["async_amd_status_callback_method"] = "POST"
    return arguments
