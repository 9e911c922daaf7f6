"""The JSON Schema of all events, made from the dataclasses: ``docs/reference/events.schema.json``."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from typing import Any, Final, get_args, get_type_hints

from bridge.calls.event import CallEvent, MachineDetected, StateChanged
from bridge.calls.event_json import NAMES, VERSION

_GAP: Final = "gap"

ENVELOPE: Final[dict[str, dict[str, Any]]] = {
    "version": {"const": VERSION, "description": "Of this shape; members may be added without a new one."},
    "id": {
        "type": "string",
        "pattern": "^[0-9a-f]+-[0-9]+$",
        "description": "Names this run of the server and counts in it; send it back to go on after it.",
    },
    "at": {"type": "string", "format": "date-time", "description": "When it was told, UTC."},
    "call_sid": {"type": ["string", "null"], "description": "Whose it is; null for a gap."},
    "stream_sid": {
        "type": ["string", "null"],
        "description": "Of which stream; null where the carrier told it by other ways than a live stream.",
    },
}
"""What the feed puts around each event."""


def event_schema() -> dict[str, Any]:
    """Give the schema: any event of a call, alone or in the feed."""
    events = {name: _of_event(kind, name) for kind, name in NAMES.items()}
    definitions: dict[str, Any] = {
        **events,
        _GAP: {
            "description": "This reader was too slow, or away for too long: so many items are lost to it.",
            "type": "object",
            "properties": {
                "event": {"const": _GAP},
                "missed": {"type": "integer", "minimum": 1, "description": "Items of all calls."},
            },
            "required": ["event", "missed"],
        },
        "call-event": {
            "description": "An event as a call's own readers get it: numbered in the call, on its time.",
            "oneOf": [_ref(name) for name in events],
            "required": ["number", "at_ms"],
        },
        "feed-item": {
            "description": "What GET /events and WS /events tell.",
            "type": "object",
            "properties": ENVELOPE,
            "required": list(ENVELOPE),
            "oneOf": [_ref(name) for name in (*events, _GAP)],
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events of the bridge",
        "anyOf": [_ref("feed-item"), _ref("call-event")],
        "$defs": definitions,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def _of_event(kind: type[CallEvent], name: str) -> dict[str, Any]:
    hints = get_type_hints(kind)
    described = _described(CallEvent) | _described(kind)
    properties: dict[str, Any] = {"event": {"const": name}}
    for one in fields(kind):
        properties[one.name] = _of_type(hints[one.name])
        if one.name in described:
            properties[one.name]["description"] = described[one.name]
    # What the carrier tells of a call without a live stream has no place on a stream's time.
    free = {"number", "at_ms"} if kind in {StateChanged, MachineDetected} else set[str]()
    return {
        "description": _plain(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0]),
        "type": "object",
        "properties": properties,
        "required": [member for member in properties if member not in free],
    }


def _of_type(hint: Any) -> dict[str, Any]:
    if choices := get_args(hint):
        return {"enum": list(choices)}
    return {"type": "integer", "minimum": 0} if hint is int else {"type": "string"}


def _described(kind: type[CallEvent]) -> dict[str, str]:
    """Read the ``Attributes`` of a docstring."""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, re.MULTILINE)
    return {name: _plain(text) for name, text in entries}


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "").split())
