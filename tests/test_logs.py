from __future__ import annotations

import io
import json
import logging
import threading
from contextvars import copy_context

import pytest

from bridge import logs
from bridge.calls.context import CALL_SID
from bridge.logs import logging_to

log = logging.getLogger("bridge.session.session")


def test_a_text_line_has_time_level_logger_message_and_facts() -> None:
    out = io.StringIO()
    with logging_to(out):
        log.info("stream %s", "started", extra={"call_sid": "CA1", "frames": 3})
    moment, _, rest = out.getvalue().partition(" ")
    assert rest == "INFO session.session: stream started call_sid=CA1 frames=3\n"
    assert moment.endswith("Z")
    assert len(moment) == len("2026-01-31T12:00:00.123Z")


def test_a_json_line_can_be_read_back() -> None:
    out = io.StringIO()
    with logging_to(out, form="json"):
        log.warning('said "%s"', "hi", extra={"call_sid": "CA1", "at": set})
    line = json.loads(out.getvalue())
    assert (line["level"], line["logger"], line["message"]) == (
        "warning",
        "bridge.session.session",
        'said "hi"',
    )
    assert line["call_sid"] == "CA1"
    assert line["at"] == "<class 'set'>"


def test_the_running_call_is_noted_without_being_said() -> None:
    out = io.StringIO()

    def in_a_call() -> None:
        CALL_SID.set("CA7")
        log.info("one")
        log.info("two", extra={"call_sid": "CA8"})

    with logging_to(out):
        copy_context().run(in_a_call)
        log.info("three")
    one, two, three = out.getvalue().splitlines()
    assert one.endswith("one call_sid=CA7")
    assert two.endswith("two call_sid=CA8")
    assert three.endswith("three")


@pytest.mark.parametrize("form", ["text", "json"])
def test_numbers_and_secrets_are_masked_everywhere(form: str) -> None:
    out = io.StringIO()
    with logging_to(out, form="json" if form == "json" else "text", secrets=["s3cret", ""]):
        log.info("from %s with s3cret", "+12025550123", extra={"to": "sip:jong-un@sip.example"})
        log.info("Authorization: Bearer abc.def-123")
        try:
            raise ValueError("+12025550123 and s3cret")
        except ValueError:
            log.exception("failed")
    text = out.getvalue()
    for word in ("2025550123", "s3cret", "jong-un", "abc.def-123"):
        assert word not in text
    assert "ValueError" in text


def test_the_level_holds_for_loggers_with_a_level_of_their_own() -> None:
    out = io.StringIO()
    chatty = logging.getLogger("a.server.of.somebody")
    before = chatty.level
    chatty.setLevel("INFO")
    try:
        with logging_to(out, level="warning"):
            chatty.info("hidden")
            chatty.warning("shown")
    finally:
        chatty.setLevel(before)
    assert "hidden" not in out.getvalue()
    assert "shown" in out.getvalue()


def test_libraries_are_quiet_unless_debugging() -> None:
    out = io.StringIO()
    with logging_to(out, level="info"):
        logging.getLogger("aiohttp.client").info("hidden")
    with logging_to(out, level="debug"):
        logging.getLogger("aiohttp.client").info("shown")
    assert "hidden" not in out.getvalue()
    assert "shown" in out.getvalue()


def test_arguments_are_rendered_when_they_are_logged() -> None:
    out = io.StringIO()
    changing = [1]
    with logging_to(out):
        log.info("%s", changing)
        changing.append(2)
    assert "[1]" in out.getvalue()


class Slow(io.StringIO):
    """A terminal that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.go.wait(10)
        return super().write(text)


def test_a_full_queue_drops_lines_and_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "QUEUE_LINES", 10)
    out = Slow()
    with logging_to(out) as handler:
        for number in range(100):
            log.info("line %d", number)
        dropped = handler.dropped
        assert 85 <= dropped <= 90
        out.go.set()
    assert f"{dropped} log lines were dropped" in out.getvalue()
    assert out.getvalue().count(": line ") == 100 - dropped


def test_everything_is_put_back() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("aiohttp").level)
    with logging_to(io.StringIO(), level="debug"):
        assert root.level == logging.DEBUG
    with logging_to(io.StringIO(), level="error"):
        assert logging.getLogger("aiohttp").level == logging.WARNING
    assert (root.level, list(root.handlers), logging.getLogger("aiohttp").level) == before
