"""
Phone calls into Python: Twilio Media Streams in, PCM out.

What a sink needs is here: ``from bridge import Call, sink``. Everything is loaded when it is first named,
so that ``bridge --help`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.calls.call import AudioChunk, Call, Playback
    from bridge.calls.event import (
        CallEvent,
        DigitPressed,
        MachineDetected,
        MarkReached,
        SpeechStarted,
        SpeechStopped,
        StateChanged,
        StreamEnded,
        StreamStarted,
    )
    from bridge.errors import BridgeError, CallEnded, CallReadOnly
    from bridge.sinks.blocking_call import BlockingCall
    from bridge.sinks.sink import sink

__version__ = version("bridge")

_HOMES = {
    "AudioChunk": "bridge.calls.call",
    "BlockingCall": "bridge.sinks.blocking_call",
    "BridgeError": "bridge.errors",
    "Call": "bridge.calls.call",
    "CallEnded": "bridge.errors",
    "CallEvent": "bridge.calls.event",
    "CallReadOnly": "bridge.errors",
    "DigitPressed": "bridge.calls.event",
    "MachineDetected": "bridge.calls.event",
    "MarkReached": "bridge.calls.event",
    "Playback": "bridge.calls.call",
    "SpeechStarted": "bridge.calls.event",
    "SpeechStopped": "bridge.calls.event",
    "StateChanged": "bridge.calls.event",
    "StreamEnded": "bridge.calls.event",
    "StreamStarted": "bridge.calls.event",
    "sink": "bridge.sinks.sink",
}

__all__ = [
    "AudioChunk",
    "BlockingCall",
    "BridgeError",
    "Call",
    "CallEnded",
    "CallEvent",
    "CallReadOnly",
    "DigitPressed",
    "MachineDetected",
    "MarkReached",
    "Playback",
    "SpeechStarted",
    "SpeechStopped",
    "StateChanged",
    "StreamEnded",
    "StreamStarted",
    "__version__",
    "sink",
]


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'bridge' has no attribute {name!r}")
    return getattr(import_module(home), name)
