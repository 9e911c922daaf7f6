"""The tunnel's file against version 3 of the agent's format: https://ngrok.com/docs/agent/config/v3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.settings import Settings

FILE = Path(__file__).parent.parent.parent / "ngrok.yml"

TOP = {"version", "agent", "endpoints", "tunnels"}
AGENT = {
    "api_key", "authtoken", "connect_cas", "connect_timeout", "connect_url", "console_ui", "console_ui_color",
    "crl_noverify", "dns_resolver_ips", "heartbeat_interval", "heartbeat_tolerance", "inspect_db_size", "log",
    "log_format", "log_level", "metadata", "proxy_url", "remote_management", "update_channel", "update_check",
    "web_addr", "web_allow_hosts",
}  # fmt: skip
ENDPOINT = {
    "bindings", "description", "metadata", "name", "pooling_enabled", "traffic_policy", "traffic_policy_file",
    "upstream", "url",
}  # fmt: skip
UPSTREAM = {"protocol", "proxy_protocol", "url"}


def faults(document: Any) -> list[str]:
    """Say what the agent would refuse."""
    if not isinstance(document, dict):
        return ["no mapping"]
    found = [f"unknown field {name}" for name in document.keys() - TOP]
    if document.get("version") not in {3, "3"}:
        found.append("version must be 3")
    agent = document.get("agent")
    if not isinstance(agent, dict):
        return [*found, "agent is required"]
    found += [f"unknown field agent.{name}" for name in agent.keys() - AGENT]
    if not isinstance(agent.get("authtoken"), str):
        found.append("agent.authtoken must be a text")
    names = set()
    for endpoint in document.get("endpoints") or []:
        found += [f"unknown field endpoints.{name}" for name in endpoint.keys() - ENDPOINT]
        found += [f"unknown field upstream.{name}" for name in endpoint.get("upstream", {}).keys() - UPSTREAM]
        if not endpoint.get("name") or endpoint["name"] in names:
            found.append("an endpoint needs a name of its own")
        names.add(endpoint.get("name"))
        if "url" not in endpoint.get("upstream", {}):
            found.append("an endpoint needs upstream.url")
    return found


def test_the_file_is_version_3() -> None:
    assert faults(yaml.safe_load(FILE.read_text(encoding="utf-8"))) == []


def test_it_leads_to_the_server() -> None:
    [endpoint] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["endpoints"]
    assert endpoint["upstream"]["url"].endswith(f":{Settings().port}")
    assert endpoint["name"] == "bridge"


def test_it_holds_no_real_token() -> None:
    assert "PASTE" in yaml.safe_load(FILE.read_text(encoding="utf-8"))["agent"]["authtoken"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("version: 2\nauthtoken: x\n", "version must be 3"),
        ("version: 3\nauthtoken: x\n", "unknown field authtoken"),
        ("version: 3\nagent: {authtoken: x, region: eu}\n", "unknown field agent.region"),
        ("version: 3\nagent: {authtoken: x}\nendpoints: [{name: a}]\n", "needs upstream.url"),
        ("version: 3\nagent: {authtoken: x}\nendpoints: [{upstream: {url: 1}}]\n", "name of its own"),
        (
            "version: 3\nagent: {authtoken: x}\nendpoints: [{name: a, addr: 1}]\n",
            "unknown field endpoints.addr",
        ),
    ],
)
def test_the_check_finds_faults(text: str, fault: str) -> None:
    assert any(fault in found for found in faults(yaml.safe_load(text)))
