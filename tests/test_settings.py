from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.settings import Settings, SinkChoice, is_loopback, variable

ACCOUNT_SID = f"AC{'a' * 32}"


def test_settings_read_nothing_but_their_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRIDGE_PORT", "1")
    (tmp_path / ".env").write_text("BRIDGE_PORT=2")
    (tmp_path / "bridge.toml").write_text("port = 3")
    assert Settings().port == 5050


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="prot"):
        Settings(prot=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("wav, echo ,", (SinkChoice("wav"), SinkChoice("echo"))),
        ("", ()),
        (["a.py:f"], (SinkChoice("a.py:f"),)),
        ([{"use": "wav", "directory": "x"}], (SinkChoice("wav", {"directory": "x"}),)),
        ((SinkChoice("wav"),), (SinkChoice("wav"),)),
    ],
)
def test_sinks_may_be_written_in_every_form(given: object, expected: tuple[SinkChoice, ...]) -> None:
    assert Settings(sinks=given).sinks == expected


@pytest.mark.parametrize("given", [[{"directory": "x"}], [3], [{"use": 3}]])
def test_a_sink_without_use_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match="use"):
        Settings(sinks=given)


def test_networks_are_separated_by_commas() -> None:
    settings = Settings(trusted_proxies="10.0.0.0/8, ::1")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    with pytest.raises(ValidationError, match="host bits"):
        Settings(trusted_proxies="10.0.0.1/8")


@pytest.mark.parametrize(
    "url", ["example.com", "ws://example.com", "https://", "https://a/?b=1", "https://u@a"]
)
def test_public_url_must_be_absolute_and_plain(url: str) -> None:
    with pytest.raises(ValidationError, match="URL"):
        Settings(public_url=url)


def test_public_url_loses_its_slash() -> None:
    assert Settings(public_url="https://a.example/x/").public_url == "https://a.example/x"


@pytest.mark.parametrize(
    "name",
    ["public_url", "api_key", "twilio_account_sid", "twilio_auth_token", "twilio_phone_number", "greeting"],
)
def test_empty_means_unset(name: str) -> None:
    assert getattr(Settings(**{name: ""}), name) is None  # type: ignore[arg-type]


def test_credentials_belong_together() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings(twilio_account_sid=ACCOUNT_SID)
    with pytest.raises(ValidationError, match="belong together"):
        Settings(twilio_auth_token="token")


@pytest.mark.parametrize("number", ["15017122661", "+05017122661", "+1 501 712 2661", "+123"])
def test_a_phone_number_is_e164(number: str) -> None:
    with pytest.raises(ValidationError):
        Settings(twilio_phone_number=number)


def test_other_machines_need_a_key() -> None:
    with pytest.raises(ValidationError, match="BRIDGE_API_KEY"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", api_key="k" * 16).host == "0.0.0.0"
    with pytest.raises(ValidationError, match="16 characters"):
        Settings(api_key="k" * 15)


@pytest.mark.parametrize(
    ("ports", "expected"),
    [("30000-30999", (30000, 30999)), (" 4000 - 4001 ", (4000, 4001))],
)
def test_media_ports_are_a_range(ports: str, expected: tuple[int, int]) -> None:
    assert Settings(sip_media_ports=ports).media_ports == expected


@pytest.mark.parametrize("ports", ["", "30000", "30999-30000", "80-90", "30000-70000", "a-b", "1e4-2e4"])
def test_other_ranges_of_ports_are_refused(ports: str) -> None:
    with pytest.raises(ValidationError, match="port"):
        Settings(sip_media_ports=ports)


def test_a_key_needs_its_certificate() -> None:
    with pytest.raises(ValidationError, match="BRIDGE_SIP_TLS_CERTIFICATE"):
        Settings(sip_tls_key=Path("sip.key"))
    assert Settings(sip_tls_key=Path("a"), sip_tls_certificate=Path("b")).sip_tls_key == Path("a")


@pytest.mark.parametrize("domain", ["", "a b", "a.example:5060", "-a"])
def test_a_domain_is_a_name(domain: str) -> None:
    with pytest.raises(ValidationError, match="domain"):
        Settings(sip_domain=domain)


def test_secrets_do_not_show() -> None:
    settings = Settings(twilio_account_sid=ACCOUNT_SID, twilio_auth_token="tell-nobody", api_key="k" * 16)
    assert "tell-nobody" not in repr(settings)
    assert "k" * 16 not in repr(settings)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("a.example", False),
    ],
)
def test_loopback(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_variables_are_named_for_their_fields() -> None:
    assert variable("port") == "BRIDGE_PORT"
    assert variable("twilio_auth_token") == "TWILIO_AUTH_TOKEN"
    assert variable("twilio_api_base") == "BRIDGE_TWILIO_API_BASE"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_field_has_help_and_an_example_that_works(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert len(field.description) > 20
    assert field.examples
    if name not in {"twilio_account_sid", "twilio_auth_token", "sip_tls_key"}:  # they belong to others
        Settings(**{name: field.examples[0]})
