from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.carrier.api.update import update_call
from bridge.carrier.call.call import CarrierCall, Status
from bridge.carrier.call.request import CallRequest, Document
from bridge.errors import CarrierRefused

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REDIRECT = {"Url": "http://localhost/new", "Method": "GET", "FallbackUrl": "http://localhost/fallback"}


def make(*steps: Status) -> CarrierCall:
    request = CallRequest(to="sip:demo@localhost", from_="me", document=Document())
    call = CarrierCall(request, account_sid="AC1", direction="outbound-api", created=NOW)
    for status in steps:
        call.move(status, NOW)
    return call


def code_of(call: CarrierCall, fields: dict[str, str]) -> int | None:
    with pytest.raises(CarrierRefused) as refused:
        update_call(call, list(fields.items()))
    assert refused.value.status == 400
    return refused.value.code


@pytest.mark.parametrize(
    ("steps", "status", "ends"),
    [
        ((), "canceled", True),
        ((), "completed", True),
        (("ringing",), "canceled", True),
        (("ringing",), "completed", True),
        (("in-progress",), "canceled", False),
        (("in-progress",), "completed", True),
    ],
)
def test_which_calls_a_status_ends(steps: tuple[Status, ...], status: str, *, ends: bool) -> None:
    call = make(*steps)
    update_call(call, [("Status", status)])
    assert call.orders.end.is_set() is ends


@pytest.mark.parametrize(
    "fields", [{"Status": "completed"}, {"Status": "canceled"}, REDIRECT, {"TimeLimit": "5"}]
)
def test_a_call_that_is_over_cannot_be_changed(fields: dict[str, str]) -> None:
    assert code_of(make("busy"), fields) == 21220


async def test_a_call_in_progress_is_redirected() -> None:
    call = make("in-progress")
    callback = {"StatusCallback": "http://localhost/cb"}
    update_call(call, list({**REDIRECT, **callback}.items()))
    assert await call.orders.redirected() == Document(
        url="http://localhost/new", method="GET", fallback_url="http://localhost/fallback"
    )
    assert call.request.status_callback is not None
    update_call(call, [("Twiml", "<Response/>")])
    assert (await call.orders.redirected()).twiml == "<Response/>"


@pytest.mark.parametrize("steps", [(), ("ringing",)])
def test_other_calls_cannot_be_redirected(steps: tuple[Status, ...]) -> None:
    assert code_of(make(*steps), REDIRECT) == 21220


def test_the_time_limit_can_be_changed() -> None:
    call = make("in-progress")
    update_call(call, [("TimeLimit", "30")])
    assert call.request.time_limit_s == 30
    assert call.orders.limit_changed.is_set()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Status": "busy"}, 20001),
        ({"Url": "x"}, 21205),
        ({"Url": "http://localhost/", "Method": "PUT"}, 21209),
        ({"Url": "http://localhost/", "Twiml": "<Response/>"}, 32019),
        ({"Twiml": "x" * 4001}, 32018),
        ({"TimeLimit": "-1"}, 13216),
        ({"Url": "http://localhost/", "StatusCallback": "x"}, 21609),
    ],
)
def test_what_is_refused(fields: dict[str, str], code: int) -> None:
    assert code_of(make("in-progress"), fields) == code


def test_nothing_asked_for_changes_nothing() -> None:
    call = make("busy")
    update_call(call, [])
    assert call.status == "busy"


def test_a_call_that_a_dial_made_can_be_ended_but_not_redirected() -> None:
    request = CallRequest(to="sip:demo@localhost", from_="me", document=Document())
    call = CarrierCall(
        request, account_sid="AC1", direction="outbound-dial", created=NOW, parent_sid="CA" + "1" * 32
    )
    call.move("in-progress", NOW)
    assert code_of(call, REDIRECT) == 21220
    update_call(call, [("Status", "completed")])
    assert call.orders.end.is_set()
