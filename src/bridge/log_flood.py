"""A log that nobody outside can fill: what is said again and again is counted instead."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from bridge.calls.context import CALL_SID

MOST: Final = 20
WINDOW_S: Final = 10.0


@dataclass(slots=True)
class _Window:
    began_s: float
    said: int = 1
    unsaid: int = 0


class Flood(logging.Filter):
    """
    Lets each warning through ``MOST`` times in ``WINDOW_S``; the next one says how many were kept back.

    A warning is known by the statement that gives it, so their number is bounded. What belongs to a call
    always passes: calls are counted elsewhere, and everything about one of them matters.

    Attributes:
        kept_back: How many lines did not pass, in all.

    """

    def __init__(self) -> None:
        super().__init__()
        self.kept_back = 0
        self._windows: dict[tuple[str, int], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or CALL_SID.get() is not None or hasattr(record, "call_sid"):
            return True
        statement = (record.name, record.lineno)
        window = self._windows.get(statement)
        if window is None or not 0 <= record.created - window.began_s < WINDOW_S:
            self._windows[statement] = _Window(record.created)
            if window is not None and window.unsaid:
                record.unsaid = window.unsaid
            return True
        if window.said < MOST:
            window.said += 1
            return True
        window.unsaid += 1
        self.kept_back += 1
        return False
