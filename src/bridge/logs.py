"""
Log lines: structured, with the call they belong to, without numbers and secrets, and off the event loop.

The rest of the package says ``logging.getLogger(__name__)`` and passes facts in ``extra``, above all
``call_sid`` and ``stream_sid``; each shows up as ``name=value`` in text and as a field in JSON. One handler
serves the process. It queues records and a thread writes them, so a slow terminal never delays a call; when
the queue is full, lines are dropped and counted rather than waited for.
"""

from __future__ import annotations

import logging
import queue
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Final, Literal, TextIO

import msgspec

from bridge.calls.context import CALL_SID, STREAM_SID
from bridge.log_flood import Flood
from bridge.masking import mask_number

QUEUE_LINES: Final = 10_000
"""How many lines may wait for the writing thread; about a minute of a busy server at INFO."""

_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic) [\w.~+/=-]+")
_NOISY: Final = ("httpx", "httpcore", "aiohttp", "twilio", "picows", "asyncio")


def extras(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    """The facts that were passed in ``extra``."""
    return ((name, value) for name, value in vars(record).items() if name not in _PLAIN and value is not None)


class TextFormatter(logging.Formatter):
    """``2026-01-31T12:00:00.123Z INFO session.supervisor: sink ended call_sid=CA…``."""

    def format(self, record: logging.LogRecord) -> str:
        name = record.name.removeprefix("bridge.")
        facts = "".join(f" {key}={value}" for key, value in extras(record))
        text = f"{_utc(record)} {record.levelname} {name}: {record.getMessage()}{facts}"
        return "\n".join([text, *_trace(self, record)])


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, the facts, ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _utc(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict(extras(record)),
        }
        if trace := _trace(self, record):
            line["exception"] = "\n".join(trace)
        return msgspec.json.encode(line, enc_hook=str).decode()


class Masking(logging.Formatter):
    """
    Takes phone numbers and secrets out of whatever another formatter made, tracebacks included.

    Whoever logs a number masks it already; this is the second fence.

    Args:
        inner: Makes the line.
        secrets: Texts that must never appear.

    """

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = tuple(secret for secret in secrets if secret)

    def format(self, record: logging.LogRecord) -> str:
        line = self._inner.format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return mask_number(_BEARER.sub(r"\1 ***", line))


class DroppingQueueHandler(QueueHandler):
    """
    Hands records to the writing thread and never waits for it.

    Attributes:
        dropped: How many lines found the queue full.

    """

    def __init__(self, waiting: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(waiting)
        self.dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Render the message and note the running call here, where both still are what they were."""
        for name, running in (("call_sid", CALL_SID.get()), ("stream_sid", STREAM_SID.get())):
            if running is not None and not hasattr(record, name):
                setattr(record, name, running)
        record.message = record.getMessage()
        record.msg, record.args = record.message, None
        return record


class _Writer(QueueListener):
    """The writing thread; at the end it waits for room in the queue, where the standard one would fail."""

    def enqueue_sentinel(self) -> None:
        self.queue.put(self._sentinel)  # type: ignore[attr-defined]


@contextmanager
def logging_to(
    stream: TextIO | None = None,
    *,
    level: str = "info",
    form: Literal["text", "json"] = "text",
    secrets: Iterable[str] = (),
) -> Iterator[DroppingQueueHandler]:
    """
    Log like this until the block ends, then write out what waits and put things back as they were.

    Args:
        stream: Where the lines go; standard error unless given.
        level: The least level, ``"debug"`` to ``"error"``.
        form: Lines for people or for programs.
        secrets: Texts that are replaced by ``***`` wherever they appear.

    """
    stream = stream or sys.stderr
    writer = logging.StreamHandler(stream)
    writer.setFormatter(Masking(JsonFormatter() if form == "json" else TextFormatter(), secrets))
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LINES)
    handler = DroppingQueueHandler(waiting)
    flood = Flood()
    handler.addFilter(flood)
    handler.setLevel(level.upper())  # loggers may have a level of their own, as uvicorn's do
    listener = _Writer(waiting, writer)
    root = logging.getLogger()
    undo: list[Callable[[], None]] = [_set_level(root, level.upper())]
    if level != "debug":
        undo += [_set_level(logging.getLogger(name), "WARNING") for name in _NOISY]
    root.addHandler(handler)
    listener.start()
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        listener.stop()
        if flood.kept_back:
            stream.write(f"{flood.kept_back} warnings were not written because they repeated others\n")
        if handler.dropped:
            stream.write(f"{handler.dropped} log lines were dropped because {QUEUE_LINES} were waiting\n")
        for restore in undo:
            restore()


def _set_level(logger: logging.Logger, level: str) -> Callable[[], None]:
    before = logger.level
    logger.setLevel(level)
    return lambda: logger.setLevel(before)


def _utc(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return parts
