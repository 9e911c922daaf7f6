"""Which call the running task belongs to: set once per media socket, read by every log line."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

CALL_SID: Final[ContextVar[str | None]] = ContextVar("call_sid", default=None)
STREAM_SID: Final[ContextVar[str | None]] = ContextVar("stream_sid", default=None)
