from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.carrier.api.listing import list_calls
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest, Document
from bridge.errors import CarrierRefused
from tests.carrier.api.test_resource import SPECIFICATION, validate

ACCOUNT = "AC" + "a" * 32
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
PAGE = SPECIFICATION["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["get"]["responses"]["200"]
SCHEMA = PAGE["content"]["application/json"]["schema"]


def make(day: int, to: str = "+12025550123") -> CarrierCall:
    """A call that began on a day of January, and ended a minute later."""
    began = NOON.replace(day=day)
    call = CarrierCall(
        CallRequest(to=to, from_="+15005550006", document=Document()),
        account_sid=ACCOUNT,
        direction="outbound-api",
        created=began,
    )
    call.started = began
    call.move("busy", began + timedelta(minutes=1))
    return call


def listed(calls: list[CarrierCall], *fields: tuple[str, str]) -> dict[str, Any]:
    page = list_calls(calls, ACCOUNT, fields)
    validate(page, SCHEMA)
    assert page.keys() == SCHEMA["properties"].keys()
    return page


def sids(page: dict[str, Any]) -> list[str]:
    return [call["sid"] for call in page["calls"]]


def test_pages_follow_each_other_by_token() -> None:
    calls = [make(1) for _ in range(5)]
    first = listed(calls, ("PageSize", "2"), ("To", "+12025550123"))
    assert sids(first) == [calls[0].sid, calls[1].sid]
    assert (first["page"], first["start"], first["end"], first["page_size"]) == (0, 0, 1, 2)
    assert first["previous_page_uri"] is None
    base = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?To=%2B12025550123&PageSize=2"
    assert first["uri"] == first["first_page_uri"] == f"{base}&Page=0"
    assert first["next_page_uri"] == f"{base}&Page=1&PageToken=PA{calls[1].sid}"
    newer = [make(1), *calls]  # a call that came meanwhile shifts nothing
    second = listed(newer, ("PageSize", "2"), ("Page", "1"), ("PageToken", f"PA{calls[1].sid}"))
    assert sids(second) == [calls[2].sid, calls[3].sid]
    last = listed(newer, ("PageSize", "2"), ("Page", "2"), ("PageToken", f"PA{calls[3].sid}"))
    assert sids(last) == [calls[4].sid]
    assert last["next_page_uri"] is None
    assert last["previous_page_uri"] is not None


def test_pages_by_number_alone() -> None:
    calls = [make(1) for _ in range(3)]
    assert sids(listed(calls, ("PageSize", "2"), ("Page", "1"))) == [calls[2].sid]
    empty = listed(calls, ("Page", "7"))
    assert (empty["calls"], empty["next_page_uri"]) == ([], None)
    assert listed([])["calls"] == []


@pytest.mark.parametrize(
    ("name", "value", "days"),
    [
        ("StartTime", "2026-01-10", [10]),
        ("StartTime<", "2026-01-10", [9]),
        ("StartTime>", "2026-01-10", [11, 10]),
        ("StartTime>", "2026-01-10T12:00:00Z", [11, 10]),
        ("StartTime>", "2026-01-10T12:00:01Z", [11]),
        ("StartTime", "2026-01-10T13:00:00+01:00", [10]),
        ("EndTime<", "2026-01-10T12:01:00Z", [9]),
        ("EndTime>", "2026-01-11", [11]),
        ("Status", "busy", [11, 10, 9]),
        ("Status", "completed", []),
        ("To", "+12025550199", []),
        ("From", "+15005550006", [11, 10, 9]),
        ("ParentCallSid", "CA" + "0" * 32, []),
    ],
)
def test_filters(name: str, value: str, days: list[int]) -> None:
    calls = {day: make(day) for day in (11, 10, 9)}
    assert sids(listed(list(calls.values()), (name, value))) == [calls[day].sid for day in days]


def test_filters_add_up() -> None:
    calls = {day: make(day) for day in (11, 10, 9)}
    page = listed(list(calls.values()), ("StartTime>", "2026-01-10"), ("StartTime<", "2026-01-11"))
    assert sids(page) == [calls[10].sid]


def test_a_call_that_has_not_begun_matches_no_time() -> None:
    call = make(10)
    call.started = None
    assert listed([call], ("StartTime>", "2000-01-01"))["calls"] == []


@pytest.mark.parametrize(
    "field",
    [
        ("PageSize", "0"),
        ("PageSize", "1001"),
        ("Page", "-1"),
        ("PageToken", "PACA"),
        ("Status", "gone"),
        ("StartTime", "yesterday"),
        ("EndTime>", "2026-13-01"),
    ],
)
def test_what_cannot_be_read_is_refused(field: tuple[str, str]) -> None:
    with pytest.raises(CarrierRefused) as refused:
        list_calls([make(1)], ACCOUNT, [field])
    assert (refused.value.code, refused.value.status) == (20001, 400)


def test_the_calls_a_dial_made_are_found_by_their_parent() -> None:
    parent = make(11)
    child = CarrierCall(
        CallRequest(to="sip:demo@localhost", from_="+15005550006", document=Document()),
        account_sid=ACCOUNT,
        direction="outbound-dial",
        created=NOON,
        parent_sid=parent.sid,
    )
    page = listed([parent, child], ("ParentCallSid", parent.sid))
    assert sids(page) == [child.sid]
    assert page["calls"][0]["parent_call_sid"] == parent.sid
    assert page["calls"][0]["direction"] == "outbound-dial"
