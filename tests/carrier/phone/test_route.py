from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document
from bridge.carrier.phone.route import Routes, phone_name
from tests.carrier.media_stage import ManualClock


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("sip:demo@localhost", "demo"),
        ("SIP:Demo@LOCALHOST", "demo"),
        ("sips:demo@127.0.0.1:5061;transport=tls?X-a=b", "demo"),
        ("sip:demo@[::1]:5060", "demo"),
        ("client:demo", "demo"),
        ("+12025550123", "demo"),
        ("sip:busy@localhost", "busy"),
        ("sip:declined@localhost:5060", "declined"),
        ("sip:noanswer@127.0.0.1", "noanswer"),
        ("sip:unreachable@localhost", "unreachable"),
        ("sip:somebody@localhost", None),
        ("sip:demo@example.com", None),
        ("sip:demo@localhost.example.com", None),
        ("sip:demo@localhost:", None),
        ("sip:x@demo@localhost", None),
        ("+12025550124", None),
        ("client:other", None),
        ("", None),
    ],
)
def test_which_phone_an_address_means(address: str, name: str | None) -> None:
    assert phone_name(address) == name


async def test_each_phone_answers_as_its_name_says(tmp_path: Path) -> None:
    routes = Routes(b"\xff" * 160, ManualClock(), tmp_path, ring_s=0)
    results = {}
    for name in ("demo", "busy", "declined", "unreachable"):
        leg = routes.find_leg(make(f"sip:{name}@localhost"))
        assert leg is not None
        answer = await leg.dial(lambda: None)
        results[name] = (answer.result, answer.sip_status)
        await leg.hang_up()
    assert results == {
        "demo": ("answered", 200),
        "busy": ("busy", 486),
        "declined": ("declined", 603),
        "unreachable": ("unreachable", 404),
    }


async def test_the_demo_phone_keeps_what_it_hears_under_time_and_sid(tmp_path: Path) -> None:
    call = make("sip:demo@localhost")
    leg = Routes(b"", ManualClock(), tmp_path, ring_s=0).find_leg(call)
    assert leg is not None
    leg.hear(b"\x00" * 160)
    await leg.hang_up()
    assert names(tmp_path) == [f"20260102T030405Z-{call.sid}-phone.wav"]


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_what_does_not_exist_is_told_without_giving_the_number_away(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert Routes(b"", ManualClock()).find_leg(make("+15551234567")) is None
    assert "[[trunks]]" in caplog.text
    assert "+15551234567" not in caplog.text


def make(to: str) -> CarrierCall:
    return CarrierCall(
        CallRequest(to=to, from_="me", document=Document()),
        account_sid="AC1",
        direction="outbound-api",
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
