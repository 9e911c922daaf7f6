from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

import bridge
from bridge.cli import main, sip_port
from bridge.cli.sip_port import check_sip_ports
from bridge.settings import Settings
from tests.cli.test_client import HEALTH
from tests.cli.test_client import server as stub


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and an environment without anything of ours."""
    for name in list(os.environ):
        if name.startswith(("BRIDGE_", "TWILIO_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bridge", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0)


def test_help_names_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    out = capsys.readouterr().out
    for name in ("up", "serve", "carrier", "call", "calls", "listen", "simulate", "sinks", "doctor"):
        assert f"\n  {name} " in out


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith(f"bridge {bridge.__version__} on ")


def test_sinks_lists_what_ships(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "sinks") == 0
    lines = capsys.readouterr().out.splitlines()
    shipped = ["echo", "file", "http", "log", "null", "relay", "tone", "wav"]
    assert [line.split()[0] for line in lines[1:9]] == shipped
    assert "max_queue_ms=400" in lines[1]


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGE_PORT", "x")
    assert run(monkeypatch, "serve") == 2
    err = capsys.readouterr().err
    assert err.startswith("bridge: BRIDGE_PORT: 'x' from environment")
    assert "Traceback" not in err


def test_no_server_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "call", "sip:demo@localhost", "--port", "1") == 1
    assert "no server answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_a_malformed_parameter_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "call", "+12025550123", "--parameter", "x") == 2
    assert "NAME=VALUE" in capsys.readouterr().err


def test_doctor_shows_sources_and_hides_secrets(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", f"AC{'a' * 32}")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "tell-nobody")
    monkeypatch.setenv("BRIDGE_PUBLIC_URL", "https://a.example")
    (alone / ".env").write_text("BRIDGE_GREETING=Hello\n")
    assert run(monkeypatch, "doctor") == 0
    out = capsys.readouterr().out
    assert "tell-nobody" not in out
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("BRIDGE_GREETING")] == [".env"]
    assert "https://a.example/incoming-call and wss://a.example/media-stream" in out
    assert out.endswith("Nothing wrong.\n")


def test_doctor_says_what_is_wrong_and_how_to_mend_it(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGE_SINKS", "wavv")
    monkeypatch.setenv("BRIDGE_PUBLICURL", "x")
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", f"AC{'a' * 32}")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "t")
    monkeypatch.setenv("BRIDGE_PUBLIC_URL", "http://a.example")
    (alone / "file").write_text("")
    monkeypatch.setenv("BRIDGE_RECORDINGS_DIR", "file")
    assert run(monkeypatch, "doctor") == 1
    out = capsys.readouterr().out
    assert "meant BRIDGE_PUBLIC_URL?" in out
    assert "WRONG no sink is called 'wavv'" in out
    assert "wss only" in out
    assert "recordings cannot be written" in out
    assert out.endswith("3 wrong.\n")


def test_doctor_recognises_a_bridge_that_runs_and_hides_the_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TWILIO_PHONE_NUMBER", "+12025550123")
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sip,
        stub(200, HEALTH["carrier"]) as url,
    ):
        sip.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BRIDGE_CARRIER_PORT", url.rpartition(":")[2])
        monkeypatch.setenv("BRIDGE_PORT", url.rpartition(":")[2])
        monkeypatch.setenv("BRIDGE_SIP_PORT", str(sip.getsockname()[1]))
        run(monkeypatch, "doctor")
    out = capsys.readouterr().out
    assert "the local carrier is running there" in out
    assert "for the server: Address already in use" in out  # what is there is no server
    assert "is taken: the local carrier is running" in out
    assert "+1202•••0123" in out
    assert "+12025550123" not in out


def test_up_refuses_a_taken_port(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert run(monkeypatch, "up", "--port", port) == 2
    assert f"port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["carrier", "up"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_taken_sip_port_is_one_sentence_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    kind: socket.SocketKind,
) -> None:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("BRIDGE_PORT", "0")
        monkeypatch.setenv("BRIDGE_CARRIER_PORT", "0")
        monkeypatch.setenv("BRIDGE_SIP_PORT", str(port))
        assert run(monkeypatch, command) == 2
    err = capsys.readouterr().err
    wanted = "cannot be used" if kind == socket.SOCK_STREAM else "cannot be used for UDP"
    assert err.startswith(f"bridge: SIP port {port} on 127.0.0.1 {wanted}: Address already in use")
    assert "BRIDGE_SIP_PORT, or say BRIDGE_SIP=false" in err
    assert "Traceback" not in err


def test_a_taken_sip_port_does_not_matter_without_sip(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        check_sip_ports(Settings(sip=False, sip_port=port))
        monkeypatch.setattr(sip_port, "missing_packages", lambda: ["sipmessage"])
        check_sip_ports(Settings(sip_port=port))
