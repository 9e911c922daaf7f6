"""For tests, ours and yours: time by hand, a call by script, and what every sink must stand."""

from __future__ import annotations

from bridge.testing.manual_clock import ManualClock, settle
from bridge.testing.recording_socket import RecordingSocket
from bridge.testing.scripted_call import ScriptedCall
from bridge.testing.sink_contract import SinkContract

__all__ = ["ManualClock", "RecordingSocket", "ScriptedCall", "SinkContract", "settle"]
