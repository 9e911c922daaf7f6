"""The real thing: two child processes, as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

WITHIN_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """A running ``bridge up`` and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str], port: int, carrier_port: int) -> None:
        self.process = process
        self.port = port
        self.carrier_port = carrier_port
        self.said = ""

    @property
    def out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def read_until(self, words: str) -> None:
        for line in self.out:
            self.said += line
            if words in line:
                return
        pytest.fail(f"{words!r} was never said, but:\n{self.said}")

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:  # noqa: S310  (http, of our own)
            return json.load(answer)

    def call(self, to: str) -> str:
        return str(self.ask("/make-call", {"to": to})["call_sid"])

    def wait_for(self, path: str, good: Callable[[Any], bool]) -> Any:
        """Ask until the answer is good: what another process does has no event to wait for."""
        until_s = time.monotonic() + WITHIN_S
        while not good(answer := self.ask(path)):
            if time.monotonic() > until_s:
                pytest.fail(f"{path} is still {answer!r}; said:\n{self.said}")
            time.sleep(0.05)
        return answer

    def streaming(self, sid: str) -> None:
        self.wait_for(f"/calls/{sid}", lambda call: bool(call["streams"]))

    def ended_stream(self, sid: str) -> Any:
        return self.wait_for(f"/calls/{sid}", lambda call: call["streams"][-1]["ended_at"])["streams"][-1]

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, command: str) -> psutil.Process:
        [found] = [child for child in self.children() if command in child.cmdline()]
        return found


@contextmanager
def up(folder: Path, *words: str, **environment: str) -> Iterator[Up]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "TWILIO_"))}
    port, carrier_port = free_port(), free_port()
    command = [sys.executable, "-m", "bridge", "up", "--port", str(port), "--carrier-port", str(carrier_port)]
    process = subprocess.Popen(
        [*command, *words],
        cwd=folder,
        env={**clean, "BRIDGE_SIP": "false", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    running = Up(process, port, carrier_port)
    try:
        yield running
    finally:
        children = running.children() if process.poll() is None else []
        process.kill()
        process.wait()
        running.out.close()
        psutil.wait_procs(children, WITHIN_S)


def test_it_serves_and_stops_in_order(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        for port in (running.port, running.carrier_port):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
                assert answer.status == 200
        assert "sinks          wav, echo" in running.said
        assert f"curl -X POST http://127.0.0.1:{running.port}/make-call" in running.said
        children = running.children()
        running.process.send_signal(signal.SIGTERM)
        running.said += running.out.read()
        assert running.process.wait(WITHIN_S) == 0
        assert running.said.count("Finished server process") == len(children) == 2
        assert psutil.wait_procs(children, WITHIN_S)[1] == []


def test_a_real_environment_is_ignored_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BRIDGE_PUBLIC_URL=https://a.example\n")
    with up(tmp_path, TWILIO_ACCOUNT_SID=f"AC{'b' * 32}", TWILIO_AUTH_TOKEN="real") as running:
        running.read_until("Ctrl-C stops both")
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "BRIDGE_PUBLIC_URL"):
            assert f"{name} from" in running.said
        for child in running.children():
            environment = child.environ()
            assert environment["TWILIO_ACCOUNT_SID"] != f"AC{'b' * 32}"
            assert environment["TWILIO_AUTH_TOKEN"] != "real"
            assert environment["BRIDGE_PUBLIC_URL"] == ""
            assert environment["BRIDGE_TWILIO_API_BASE"] == f"http://127.0.0.1:{running.carrier_port}"


def test_configured_sinks_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text('[[sinks]]\nuse = "null"\n')
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        assert "sinks          null" in running.said
        assert "BRIDGE_SINKS" not in running.child("serve").environ()


def test_it_fails_when_the_server_dies_and_leaves_nobody_behind(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        children = running.children()
        running.child("serve").kill()
        running.said += running.out.read()
        assert running.process.wait(WITHIN_S) == 1
        assert "the server ended by signal SIGKILL" in running.said
        assert psutil.wait_procs(children, WITHIN_S)[1] == []


def test_a_carrier_that_crashes_is_started_again_and_the_server_goes_on(tmp_path: Path) -> None:
    with up(tmp_path, "--sink", "null") as running:
        running.read_until("Ctrl-C stops both")
        before, server = running.child("carrier"), running.child("serve")
        credentials = before.environ()["TWILIO_AUTH_TOKEN"]
        sid = running.call("sip:demo@localhost")
        running.streaming(sid)
        before.kill()
        running.read_until("It is started again at once")
        assert "the local carrier ended by signal SIGKILL; its calls are lost" in running.said
        assert running.ended_stream(sid)["end"] == "lost"
        running.read_until("Application startup complete")
        after = running.child("carrier")
        assert after.pid != before.pid
        assert after.environ()["TWILIO_AUTH_TOKEN"] == credentials
        assert running.child("serve").pid == server.pid
        again = running.call("sip:demo@localhost")
        running.streaming(again)
        over = running.wait_for(f"/calls/{sid}", lambda call: call["ended_at"] is not None)
        assert (over["status"], over["termination"]["reason"]) == ("completed", "stream_lost")


def test_incoming_calls_are_routed_to_the_server_unless_routes_are_configured(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        [route] = json.loads(running.child("carrier").environ()["BRIDGE_ROUTES"])
        assert route == {"pattern": "*", "url": f"http://127.0.0.1:{running.port}/incoming-call"}
        assert "BRIDGE_ROUTES" not in running.child("serve").environ()
    (tmp_path / "bridge.toml").write_text('[[routes]]\npattern = "*"\nurl = "http://127.0.0.1:1/voice"\n')
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        assert "BRIDGE_ROUTES" not in running.child("carrier").environ()


def test_children_stop_in_order_when_the_parent_is_killed(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        children = running.children()
        assert len(children) == 2
        running.process.kill()
        running.said += running.out.read()  # to the end: both have closed it
        assert psutil.wait_procs(children, WITHIN_S)[1] == []
        assert running.said.count("Finished server process") == 2


def test_a_wrong_sink_is_told_before_anything_starts(tmp_path: Path) -> None:
    with up(tmp_path, "--sink", "nobody") as running:
        running.said += running.out.read()
        assert running.process.wait(WITHIN_S) == 2
        assert running.said.startswith("bridge: no sink is called 'nobody'")
        assert "Starting" not in running.said


def test_a_warning_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text('[[phones]]\nuser = "anna"\npassword = "tell-nobody"\n')
    with up(tmp_path) as running:
        running.read_until("Ctrl-C stops both")
        assert running.said.count("the password of phone anna stands in bridge.toml") == 1
        assert "tell-nobody" not in running.said
