"""Losses: counted to the millisecond, logged once in a row."""

from __future__ import annotations

import logging

import pytest

from bridge.sinks.loss import Loss
from bridge.testing import ScriptedCall

FRAME = bytes(160)


def test_losses_add_up_in_the_record_and_a_row_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    call = ScriptedCall()
    loss = Loss(call.session, "http http://x")
    loss.add(0, "nothing")
    loss.add(20, "too slow")
    loss.add(30.4, "too slow")
    loss.arrived()
    loss.arrived()
    loss.add(40, "again")
    assert call.losses == {"http http://x": 90}
    assert loss.lost_ms == 90
    words = [record.getMessage() for record in caplog.records]
    assert words == [
        "http http://x: audio is lost: too slow",
        "http http://x takes audio again; 50 ms are lost so far",
        "http http://x: audio is lost: again",
    ]


async def test_what_nobody_will_read_is_counted_without_waiting_for_more() -> None:
    call = ScriptedCall()
    loss = Loss(call.session, "x")
    chunks = call.session.listen(chunk_ms=20, max_queue_ms=100)
    for _ in range(10):
        call.sends(FRAME)
    await loss.add_rest(chunks, "the end")
    assert loss.lost_ms == 200, "80 ms were dropped and 120 wait"
    call.sends(FRAME)
    call.ends()
    await loss.add_rest(chunks, "the end")
    assert loss.lost_ms == 220
