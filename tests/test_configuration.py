from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.configuration import DEFAULT, load
from bridge.errors import ConfigurationError
from bridge.settings import SinkChoice


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, and an environment without anything of ours."""
    for name in list(os.environ):
        if name.startswith(("BRIDGE_", "TWILIO_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fault(config: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(config=config)
    return str(caught.value)


def test_without_anything_all_is_default() -> None:
    configuration = load()
    assert configuration.settings.port == 5050
    assert set(configuration.origins.values()) == {DEFAULT}
    assert configuration.warnings == ()


def test_each_source_beats_the_next(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bridge.toml").write_text("port = 1\npreroll_ms = 1\nplayout_lead_ms = 21\nsink_grace_s = 1\n")
    (folder / ".env").write_text("BRIDGE_PORT=2\nBRIDGE_PREROLL_MS=2\nBRIDGE_PLAYOUT_LEAD_MS=22\nOTHER=9\n")
    monkeypatch.setenv("BRIDGE_PORT", "3")
    monkeypatch.setenv("BRIDGE_PREROLL_MS", "3")
    configuration = load(port=4, host=None)
    settings, origins = configuration.settings, configuration.origins
    assert (settings.port, origins["port"]) == (4, "command line")
    assert (settings.preroll_ms, origins["preroll_ms"]) == (3, "environment")
    assert (settings.playout_lead_ms, origins["playout_lead_ms"]) == (22, ".env")
    assert (settings.sink_grace_s, origins["sink_grace_s"]) == (1, "bridge.toml")
    assert (settings.host, origins["host"]) == ("127.0.0.1", DEFAULT)


def test_the_variable_replaces_the_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bridge.toml").write_text('[[sinks]]\nuse = "wav"\ndirectory = "x"\n')
    assert load().settings.sinks == (SinkChoice("wav", {"directory": "x"}),)
    monkeypatch.setenv("BRIDGE_SINKS", "echo,log")
    assert load().settings.sinks == (SinkChoice("echo"), SinkChoice("log"))
    monkeypatch.setenv("BRIDGE_SINKS", "")
    assert load().settings.sinks == ()


def test_an_empty_variable_takes_back_what_a_file_has_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("BRIDGE_PUBLIC_URL=https://a.example\n")
    monkeypatch.setenv("BRIDGE_PUBLIC_URL", "")
    assert load().settings.public_url is None


def test_another_file_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text("port = 6000")
    assert load(config=Path("other.toml")).settings.port == 6000
    monkeypatch.setenv("BRIDGE_CONFIG", "other.toml")
    assert load().settings.port == 6000
    assert load().origins["port"] == "other.toml"
    assert load().warnings == ()


def test_a_named_file_must_exist() -> None:
    assert "no.toml: no such file" in fault(config=Path("no.toml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = ", "cannot be read as TOML"),
        ("prot = 1", "prot is not a setting: meant port?"),
        ("port = 'x'", "port: 'x' from bridge.toml: "),
        ("port = 'x'", "Example: port = 5050"),
        ("log_level = 'loud'", 'Example: log_level = "info"'),
        ("local_credentials = 'x'", "Example: local_credentials = false"),
        ("phones = 'x'", 'Example: [[phones]] and below it user = "anna"'),
        ("BRIDGE_PORT = 5051", "BRIDGE_PORT is not a setting: meant port?"),
        ("TWILIO_ACCOUNT_SID = 'x'", "TWILIO_ACCOUNT_SID is not a setting: meant twilio_account_sid?"),
        ("[phones]\nuser = 'anna'", "[phones] is one table, but there may be many: write [[phones]]"),
        ("[sinks]\nuse = 'wav'", "write [[sinks]]"),
        ("[[sinks]]\nuze = 'wav'", "sinks: from bridge.toml: a [[sinks]] table needs use"),
    ],
)
def test_a_fault_in_the_file_is_named(folder: Path, text: str, words: str) -> None:
    (folder / "bridge.toml").write_text(text)
    assert words in fault()


def test_a_fault_names_setting_value_source_and_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PORT", "70000")
    monkeypatch.setenv("BRIDGE_LOG_LEVEL", "loud")
    message = fault()
    assert "BRIDGE_PORT: '70000' from environment" in message
    assert "Example: BRIDGE_PORT=5050" in message
    assert "BRIDGE_LOG_LEVEL: 'loud'" in message


def test_a_faulty_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_API_KEY", "tell-nobody")
    message = fault()
    assert "BRIDGE_API_KEY" in message
    assert "tell-nobody" not in message


TABLES = """
[[phones]]
user = "anna"
password = "tell-nobody"
number = "+15551230001"

[[phones]]
user = "bob"
ha1 = "0123456789abcdef0123456789abcdef"

[[trunks]]
name = "office"
host = "pbx.example.com"
register = true
username = "4711"
password = "tell-nobody-either"

[[routes]]
pattern = "*"
url = "http://127.0.0.1:5050/incoming-call"
"""


def test_phones_trunks_and_routes_are_tables(folder: Path) -> None:
    (folder / "bridge.toml").write_text(TABLES)
    configuration = load()
    settings = configuration.settings
    assert [phone.user for phone in settings.phones] == ["anna", "bob"]
    assert settings.trunks[0].register
    assert settings.routes[0].pattern == "*"
    [warning] = configuration.warnings
    assert "bridge phones hash anna" in warning
    assert "bridge.toml" in warning
    assert "tell-nobody" not in warning
    assert settings.secrets() == [
        "tell-nobody",
        "0123456789abcdef0123456789abcdef",
        "tell-nobody-either",
    ]
    assert "tell-nobody" not in repr(settings)


def test_a_variable_holds_tables_as_json_and_replaces_those_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bridge.toml").write_text(TABLES)
    monkeypatch.setenv("BRIDGE_PHONES", '[{"user": "carol", "ha1": "0123456789abcdef0123456789abcdef"}]')
    monkeypatch.setenv("BRIDGE_TRUNKS", "")
    configuration = load()
    assert [phone.user for phone in configuration.settings.phones] == ["carol"]
    assert configuration.settings.trunks == ()
    assert configuration.warnings == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[[phones]]\nuser = "anna"\npassword = "x"\n[[phones]]\nuser = "an na"\npassword = "tell-nobody"',
            "[[phones]] number 2, user from bridge.toml: String should match pattern",
        ),
        ('[[phones]]\nuser = "anna"\nha1 = "tell-nobody"', 'Example: ha1 = "0123456789abcdef'),
        ('[[phones]]\nuser = "anna"\npasword = "tell-nobody"', "[[phones]] number 1, pasword"),
        ('[[phones]]\nuser = "anna"\npasword = "tell-nobody"', "Meant password?"),
        (
            '[[phones]]\nuser = "anna"\npassword = "x"\nsip_host = "tell-nobody"',
            "sip_host is a setting of its own and belongs above the first [[table]]",
        ),
        ('[[phones]]\nuser = "anna"', "[[phones]] number 1 from bridge.toml: a phone needs either ha1"),
        ('[[trunks]]\nname = "office"', "[[trunks]] number 1, host from bridge.toml: Field required"),
        ('[[trunks]]\nname = "x"\nhost = "a.example"\nregister = "perhaps"', "Example: register = false"),
        (
            '[[routes]]\npattern = "*"\nurl = "tell-nobody"',
            "[[routes]] number 1, url from bridge.toml: this is not an absolute http:// or https:// URL. ",
        ),
        (
            '[[phones]]\nuser = "anna"\npassword = "x"\n[[phones]]\nuser = "anna"\npassword = "y"',
            "two [[phones]] are called anna",
        ),
    ],
)
def test_a_fault_in_a_table_names_table_place_field_and_an_example_and_no_secret(
    folder: Path, text: str, words: str
) -> None:
    (folder / "bridge.toml").write_text(text)
    message = fault()
    assert words in message
    assert "tell-nobody" not in message


def test_tables_that_are_no_json_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PHONES", "tell-nobody")
    message = fault()
    assert "BRIDGE_PHONES: from environment: tables in a variable are a JSON list" in message
    assert "tell-nobody" not in message


def test_unknown_variables_are_warned_about(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PUBLICURL", "https://a.example")
    monkeypatch.setenv("TWILIO_SID", "x")
    monkeypatch.setenv("UNRELATED", "x")
    (folder / ".env").write_text("BRIDGE_GRETING=Hello\nUNRELATED=1\n")
    assert load().warnings == (
        "BRIDGE_PUBLICURL in the environment is no setting and has no effect: meant BRIDGE_PUBLIC_URL?",
        "TWILIO_SID in the environment is no setting and has no effect: meant TWILIO_ACCOUNT_SID?",
        "BRIDGE_GRETING in .env is no setting and has no effect: meant BRIDGE_GREETING?",
    )
