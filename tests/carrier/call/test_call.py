from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from bridge.carrier.call.call import MAX_ALERTS, NEXT, CarrierCall, Status, new_sid
from bridge.carrier.call.request import CallRequest, Document
from bridge.errors import CallEnded
from bridge.mediastream.messages import is_sid

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make() -> CarrierCall:
    request = CallRequest(to="sip:demo@localhost", from_="me", document=Document())
    return CarrierCall(request, account_sid="AC" + "a" * 32, direction="outbound-api", created=NOW)


def test_a_new_call_is_queued_and_has_a_sid() -> None:
    call = make()
    assert is_sid(call.sid, "CA")
    assert (call.status, call.over, call.duration_s, call.sip_status) == ("queued", False, None, None)
    assert new_sid("MZ") != new_sid("MZ")


def test_an_answered_call_counts_begun_seconds() -> None:
    call = make()
    call.move("ringing", NOW)
    call.move("in-progress", NOW + timedelta(seconds=3))
    assert not call.over
    call.move("completed", NOW + timedelta(seconds=7.2))
    assert (call.duration_s, call.over, call.sip_status) == (5, True, 200)
    assert call.ended == call.updated == NOW + timedelta(seconds=7.2)


def test_an_unanswered_call_has_no_duration() -> None:
    call = make()
    call.move("busy", NOW)
    assert (call.duration_s, call.ended) == (None, NOW)


@pytest.mark.parametrize("before", list(NEXT))
@pytest.mark.parametrize("after", list(NEXT))
def test_only_the_listed_steps_are_possible(before: Status, after: Status) -> None:
    call = make()
    call.status = before
    if after in NEXT[before]:
        call.move(after, NOW)
        assert call.status == after
    else:
        with pytest.raises(CallEnded):
            call.move(after, NOW)
        assert call.status == before


def test_warnings_are_bounded_and_logged_with_their_link(caplog: pytest.LogCaptureFixture) -> None:
    call = make()
    with caplog.at_level(logging.WARNING):
        call.warn(12200, "unknown verb")
        call.warn(None, "ours")
    assert "https://www.twilio.com/docs/api/errors/12200" in caplog.messages[0]
    assert str(call.alerts[0]) == "12200: unknown verb"
    assert str(call.alerts[1]) == "ours"
    for number in range(MAX_ALERTS):
        call.warn(None, str(number))
    assert len(call.alerts) == MAX_ALERTS


async def test_the_last_redirect_wins() -> None:
    orders = make().orders
    orders.redirect(Document(twiml="first"))
    orders.redirect(Document(twiml="second"))
    assert (await orders.redirected()).twiml == "second"
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(orders.redirected())
        await asyncio.sleep(0)
        assert not waiting.done()  # each is given out once
        orders.redirect(Document(twiml="third"))
    assert waiting.result().twiml == "third"
