from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from bridge.carrier.sip.tables import Phone, Trunk
from bridge.cli import sip_diagnosis, sip_port
from bridge.cli.finding import Finding
from bridge.settings import Settings
from tests.cli.test_cli import alone, run

__all__ = ["alone"]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def findings(**values: Any) -> list[Finding]:
    return list(sip_diagnosis.diagnose_sip(Settings(**{"sip_port": free_port(), **values})))


def test_a_port_that_is_free_and_who_may_register() -> None:
    port = free_port()
    phones = (Phone.model_validate({"user": "anna", "password": "x"}),)
    first, second, *_ = findings(sip_port=port, phones=phones)
    assert first == Finding(
        "ok", "SIP: 1 phone, no trunks; it listens on 127.0.0.1, which this machine alone reaches"
    )
    assert second == Finding("ok", f"UDP and TCP port {port} on 127.0.0.1 is free for SIP")


def test_an_address_that_others_reach_is_not_called_this_machines_own() -> None:
    trunks = (Trunk.model_validate({"name": "office", "host": "192.0.2.1"}),)
    assert (
        findings(sip_host="0.0.0.0", trunks=trunks)[0].text
        == "SIP: no phones, 1 trunk; it listens on 0.0.0.0"
    )


@pytest.mark.parametrize(("kind", "transport"), [(socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")])
def test_a_taken_port_is_named_with_its_transport(kind: socket.SocketKind, transport: str) -> None:
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        [note] = [finding for finding in findings(sip_port=port) if "Address already in use" in finding.text]
    assert note.mark == "NOTE"
    assert note.text.startswith(f"{transport} port {port} on 127.0.0.1, for SIP")
    assert "BRIDGE_SIP_PORT" in note.mend


def test_the_port_of_tls_is_looked_at_where_there_is_a_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sip_diagnosis, "sip_port", lambda *_: None)
    port = free_port()
    given: dict[str, Any] = {"sip_tls_port": port, "sip_tls_certificate": tmp_path / "sip.pem"}
    assert Finding("ok", f"TCP port {port} on 127.0.0.1 is free for SIP") in findings(**given)
    assert not any(str(port) in finding.text for finding in findings(sip_tls_port=port))


def test_a_certificate_that_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    [wrong] = [
        finding
        for finding in findings(sip_tls_certificate=tmp_path / "none.pem", sip_tls_port=free_port())
        if finding.mark == "WRONG"
    ]
    assert "BRIDGE_SIP_TLS_CERTIFICATE" in wrong.text


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_port, "PACKAGES", ("sipmessage", "no_such_package"))
    first, *others = findings()
    assert (first.mark, first.text) == ("NOTE", "no SIP phones: not installed: no_such_package")
    assert ".[sip]" in first.mend
    assert not any("SIP" in finding.text for finding in others)


def test_switched_off_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_port, "PACKAGES", ("no_such_package",))
    assert findings(sip=False)[0] == Finding("ok", "SIP phones are switched off by BRIDGE_SIP")


@pytest.mark.parametrize(
    ("path", "mark", "text"), [(None, "NOTE", "a short tone"), ("/usr/bin/espeak-ng", "ok", "reads")]
)
def test_the_voice_is_there_or_not(
    monkeypatch: pytest.MonkeyPatch, path: str | None, mark: str, text: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: path)
    last = findings(sip=False)[-1]
    assert last.mark == mark
    assert text in last.text


def test_doctor_names_tables_and_shows_no_hash(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "0123456789abcdef" * 2
    tables = f'[[phones]]\nuser = "anna"\nha1 = "{secret}"\n[[phones]]\nuser = "bob"\nha1 = "{secret}"\n'
    routes = '[[routes]]\npattern = "+1555*"\nurl = "http://127.0.0.1:1/hidden"\n'
    (alone / "bridge.toml").write_text(f"sip_port = {free_port()}\n{tables}{routes}")
    assert run(monkeypatch, "doctor") == 0
    out = capsys.readouterr().out
    assert secret not in out
    shown = {line.split()[0]: line.split()[1:-1] for line in out.splitlines() if line.startswith("BRIDGE_")}
    assert shown["BRIDGE_PHONES"] == ["anna,", "bob"]
    assert shown["BRIDGE_ROUTES"] == ["+1555*"]
    assert "hidden" not in out
    assert "SIP: 2 phones, no trunks" in out
