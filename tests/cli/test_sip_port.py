"""The SIP port from the settings: there, switched off, or without what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.sip_port import plan_of, sip_line, sip_port
from bridge.configuration import load
from bridge.errors import ConfigurationError
from bridge.settings import Settings

WITHOUT = """
import sys
sys.modules["sipmessage"] = sys.modules["pylibsrtp"] = None  # as if they were not installed
import bridge
from bridge.app import create_app
from bridge.carrier.application import create_carrier
from bridge.cli import main
from bridge.cli.sip_port import plan_of, sip_port
from bridge.errors import ConfigurationError
from bridge.settings import Settings
settings = Settings()
assert sip_port(settings, plan_of(settings)) is None
create_carrier("AC" + "0" * 32, "token", sip=None)
create_app
"""


def test_without_the_extra_everything_else_runs() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "sipmessage and pylibsrtp are not installed" in done.stderr


def test_it_can_be_switched_off() -> None:
    settings = Settings(sip=False)
    assert sip_port(settings, plan_of(settings)) is None
    assert "BRIDGE_SIP=false" in sip_line(settings)


def test_its_line_names_the_phones_but_no_numbers() -> None:
    phones = [
        {"user": "anna", "password": "very-secret"},
        {"user": "+12025550188", "password": "very-secret"},
    ]
    settings = load(phones=phones, sip_port=5099).settings
    line = sip_line(settings)
    assert "sip:127.0.0.1:5099" in line
    assert "anna" in line
    assert "2025550188" not in line


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = load(sip_tls_certificate=f"{tmp_path}/none.pem").settings
    with pytest.raises(ConfigurationError, match="BRIDGE_SIP_TLS_CERTIFICATE"):
        sip_port(settings, plan_of(settings))
