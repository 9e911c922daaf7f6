from __future__ import annotations

import io
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge.sip.digest import Challenger, Credentials
from tests.cli.test_cli import alone, run
from tests.cli.test_client import HEALTH, Answer, server

__all__ = ["alone"]

ANSWER: dict[str, Any] = {
    "phones": [
        {
            "user": "anna",
            "contact": "sip:a•••@192.0.2.1:5062",
            "transport": "udp",
            "user_agent": "",
            "expires_in_s": 299,
        }
    ],
    "trunks": [
        {"name": "office", "state": "failed", "reason": "403 Forbidden"},
        {"name": "home", "state": "registered", "reason": ""},
    ],
}
TABLES = """\
PHONE  CONTACT                  TRANSPORT  USER AGENT  EXPIRES IN
anna   sip:a•••@192.0.2.1:5062  udp        –           299 s

TRUNK   STATE       REASON
office  failed      403 Forbidden
home    registered  –
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(body: object, *words: str, status: int = 200) -> tuple[int, str, str]:
        with server(status, json.dumps(body).encode()) as url:
            code = run(monkeypatch, "phones", *words, "--carrier-port", url.rpartition(":")[2])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ask


def test_phones_and_trunks_are_two_tables(asked: Any) -> None:
    assert asked(ANSWER) == (0, TABLES, "")
    assert Answer.seen == [("GET", "/phones", None, b"")]


def test_nobody_and_nothing_is_one_sentence(asked: Any) -> None:
    assert asked({"phones": [], "trunks": []}) == (0, "No phone is registered.\n", "")


def test_json_is_the_carriers_own_answer(asked: Any) -> None:
    code, out, _ = asked(ANSWER, "--json")
    assert (code, json.loads(out)) == (0, ANSWER)


@pytest.mark.parametrize(
    ("status", "why"), [(404, "speaks no SIP"), (401, "to its own machine only"), (500, "answered 500")]
)
def test_a_carrier_that_does_not_tell_is_one_sentence(asked: Any, status: int, why: str) -> None:
    code, out, err = asked({}, status=status)
    assert (code, out) == (1, "")
    assert why in err


def test_a_server_in_the_carriers_place_is_recognised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(404, b"{}", HEALTH["server"]) as url:
        assert run(monkeypatch, "phones", "--carrier-port", url.rpartition(":")[2]) == 1
    assert "the server listens at" in capsys.readouterr().err


def test_a_hash_is_what_the_challenger_judges_by(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hashed(*words: str) -> dict[str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\nnot read\n"))
        assert run(monkeypatch, "phones", "hash", "anna", *words) == 0
        [phone] = tomllib.loads(capsys.readouterr().out)["phones"]
        assert phone["user"] == "anna"
        return {"anna": phone["ha1"]}

    (alone / "bridge.toml").write_text('sip_domain = "phones.example.com"\n')
    for words, realm in (((), "phones.example.com"), (("--realm", "localhost"), "localhost")):
        challenger = Challenger(realm)
        answer = Credentials("anna", "correct horse").answer(
            challenger.challenges(0.0)[0], method="REGISTER", uri=f"sip:{realm}"
        )
        verdict = challenger.judge(
            answer, method="REGISTER", uri=f"sip:{realm}", now_s=0.0, ha1_of=hashed(*words).get
        )
        assert verdict.result == "ok"


@pytest.mark.parametrize(
    ("user", "typed", "why"), [("anna", "\n", "password is empty"), ("an na", "x\n", "no user name")]
)
def test_what_would_never_log_in_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], user: str, typed: str, why: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert run(monkeypatch, "phones", "hash", user) == 2
    assert why in capsys.readouterr().err
