"""What a call is and may be told from another thread, whether that thread waits or awaits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from bridge.calls.call import Call
from bridge.sinks.crossing import Crossing


class FarCall:
    """The part of ``calls.Call`` that takes no time; see there. The facts never change."""

    def __init__(self, call: Call, crossing: Crossing) -> None:
        self._call: Final = call
        self._crossing: Final = crossing

    @property
    def sid(self) -> str:
        """The call's SID, ``CA…``."""
        return self._call.sid

    @property
    def stream_sid(self) -> str:
        """The media stream's SID, ``MZ…``."""
        return self._call.stream_sid

    @property
    def from_(self) -> str:
        """Who calls; empty when unknown."""
        return self._call.from_

    @property
    def to(self) -> str:
        """Who is called; empty when unknown."""
        return self._call.to

    @property
    def direction(self) -> Literal["incoming", "placed"]:
        """Who started it."""
        return self._call.direction

    @property
    def parameters(self) -> Mapping[str, str]:
        """The custom parameters of the stream, without ours."""
        return self._call.parameters

    @property
    def started_at(self) -> datetime:
        """When the stream was opened; aware UTC."""
        return self._call.started_at

    def add_recording(self, path: Path) -> None:
        """Tell the call's record of a file that holds its audio."""
        self._crossing.do(lambda: self._call.add_recording(path))

    def finish_recording(self, path: Path) -> None:
        """Tell the record that a file is complete."""
        self._crossing.do(lambda: self._call.finish_recording(path))

    def add_loss(self, destination: str, lost_ms: int) -> None:
        """Tell the record how much audio did not reach where it was to go."""
        self._crossing.do(lambda: self._call.add_loss(destination, lost_ms))
