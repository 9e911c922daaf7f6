from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from tests.architecture_rules import RANKS, rank_of, room_of, violations

PACKAGE = Path(__file__).parent.parent / "src" / "bridge"
FILES = sorted(PACKAGE.rglob("*.py"))


def below(path: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(below(path)))
def test_file_obeys_the_rules(path: Path) -> None:
    assert violations(below(path), path.read_text(encoding="utf-8")) == []


def test_the_package_is_there() -> None:
    assert len(FILES) > 30
    assert {room for rooms in RANKS for room in rooms} >= {
        below(path).with_suffix("").parts[0] for path in FILES
    }


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("audio/g711.py", "from bridge.session.facts import Session", "above it"),
        ("audio/g711.py", "import bridge.session.session", "above it"),
        ("audio/g711.py", "from bridge import session", "above it"),
        ("twilio/rest.py", "from bridge.sinks.sink import sink", "its sibling"),
        ("web/calls.py", "from bridge.carrier.phone.line import Line", "its sibling"),
        ("web/calls.py", "from bridge.settings import Settings", "above it"),
        ("session/session.py", "if TYPE_CHECKING:\n    from bridge.web.calls import X", "above it"),
        ("session/session.py", "def f() -> None:\n    from bridge.web import calls", "above it"),
        ("carrier/phone/line.py", "from bridge.session.session import Session", "may not import session"),
        ("carrier/phone/line.py", "from bridge.sinks import sink", "may not import sinks"),
        ("session/session.py", "from .listener import Listener", "relative import"),
        ("mediastream/messages.py", "import asyncio", "imports asyncio"),
        ("masking.py", "from asyncio import sleep", "imports asyncio"),
        ("session/session.py", "from fastapi import FastAPI", "imports fastapi"),
        ("session/session.py", "from starlette.websockets import WebSocket", "imports starlette"),
        ("web/calls.py", "import aiohttp", "imports aiohttp"),
        ("web/calls.py", "from urllib import request", "imports urllib.request"),
        ("session/session.py", "import time", "imports time"),
        ("twilio/rest.py", "from datetime import datetime\ndatetime.now()", "datetime.now"),
        ("web/calls.py", "import os\nos.environ['X']", "os.environ"),
        ("web/calls.py", "from os import environ", "os.environ"),
        ("session/session.py", "import asyncio\nasyncio.create_task(f())", "asyncio.create_task"),
        ("session/session.py", "from asyncio import create_task", "asyncio.create_task"),
        ("session/session.py", "import asyncio\nasyncio.get_running_loop().create_task(f())", "TaskGroup"),
        ("session/session.py", "loop.create_task(f())", "TaskGroup"),
        ("session/session.py", "import asyncio\nasyncio.Queue()", "without a bound"),
        ("session/session.py", "import asyncio\nasyncio.Queue(maxsize=0)", "without a bound"),
        ("session/session.py", "from asyncio import Queue\nQueue()", "without a bound"),
        ("session/session.py", "import asyncio\nasyncio.sleep(1)", "Clock"),
        ("session/session.py", "import logging\nlogging.basicConfig()", "logging.basicConfig"),
        ("session/session.py", "log.addHandler(h)", "log handler"),
        ("session/utils.py", "", "says nothing"),
        ("helpers/x.py", "", "no known room"),
        ("session/session.py", "x = 1\n" * 301, "301 lines"),
        ("session/session.py", "def f() -> None:\n" + "    x = 1\n" * 59, "60 lines"),
        (
            "session/session.py",
            "class A:\n    def __init__(self, a, b, c, d, *, e, f, g, h, i): ...",
            "9 param",
        ),
    ],
)
def test_bad_examples_are_found(path: str, source: str, fault: str) -> None:
    assert any(fault in found for found in violations(PurePosixPath(path), source)), violations(
        PurePosixPath(path), source
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "session/session.py",
            "from bridge.session.listener import Listener\nfrom bridge.sinks.sink import Sink",
        ),
        ("ticker.py", "from bridge.clock import Clock"),
        ("configuration.py", "from bridge.settings import Settings\nfrom bridge.errors import BridgeError"),
        ("clock.py", "import asyncio\nimport time\nasyncio.sleep(1)"),
        (
            "app.py",
            "from fastapi import FastAPI\nfrom bridge.web import calls\nfrom bridge.carrier import line",
        ),
        (
            "session/session.py",
            "import asyncio\nasyncio.Queue(64)\nasyncio.Queue(maxsize=LIMIT)\nasyncio.sleep(0)",
        ),
        ("session/session.py", "tasks.create_task(f())"),
        ("server/websocket.py", "self._loop.create_task(f())"),
        ("cli/up.py", "import os\nos.environ"),
        ("cli/serve.py", "from bridge.app import create_app\nfrom bridge.settings import Settings"),
        ("session/session.py", "x = 1\n" * 300),
        ("session/session.py", "def f() -> None:\n" + "    x = 1\n" * 58),
        ("session/session.py", "class A:\n    def __init__(self, a, b, c, d, *, e, f, g, h): ..."),
        ("__init__.py", "from bridge.calls.call import Call"),
    ],
)
def test_good_examples_pass(path: str, source: str) -> None:
    assert violations(PurePosixPath(path), source) == []


def test_rooms_and_ranks() -> None:
    assert room_of(PurePosixPath("carrier/phone/line.py")) == "carrier"
    assert room_of(PurePosixPath("clock.py")) == room_of(PurePosixPath("errors.py"))
    assert rank_of(PurePosixPath("audio/g711.py")) < rank_of(PurePosixPath("session/session.py"))
