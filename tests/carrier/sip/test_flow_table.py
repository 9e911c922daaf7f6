"""How many connections there may be, and who gives way."""

from __future__ import annotations

import asyncio

import pytest

from bridge.carrier.sip import sockets as room
from bridge.carrier.sip.flow import Flow
from bridge.carrier.sip.flow_table import FlowTable
from bridge.sip.hop import Hop


class Nobody:
    """An owner that is never asked."""

    def opened(self, flow: Flow) -> int:
        raise AssertionError(flow)

    def received(self, data: bytes, hop: Hop) -> None:
        raise AssertionError(data, hop)

    def ended(self, flow: Flow) -> None:
        raise AssertionError(flow)


def flow(host: str, heard_s: float = 0.0, *, proven: bool = False) -> Flow:
    one = Flow(Nobody(), "tcp")
    one.host, one.last_heard_s, one.is_proven = host, heard_s, proven
    return one


def add(table: FlowTable, one: Flow) -> Flow | None:
    """Take it in as the sockets do; gives who had to go."""
    one.number, leaving = table.add(one)
    if leaving is not None:
        assert table.remove(leaving)
    return leaving


def test_strangers_never_drive_out_a_phone() -> None:
    table = FlowTable(most=50)
    phone = flow("192.0.2.1", proven=True)
    add(table, phone)
    gone = [add(table, flow(f"198.51.100.{number}", number)) for number in range(100)]
    assert len(table) == 50
    assert phone in list(table)
    assert all(one is None or one.host.startswith("198.") for one in gone)


def test_where_everybody_is_known_the_newcomer_goes() -> None:
    table = FlowTable(most=3)
    for number in range(3):
        add(table, flow(f"192.0.2.{number}", proven=True))
    newcomer = flow("198.51.100.1")
    assert add(table, newcomer) is newcomer


def test_the_quietest_stranger_of_the_same_network_goes_first() -> None:
    table = FlowTable(most=100, most_of_network=3)
    far = flow("192.0.2.9", 0.0)
    add(table, far)
    crowd = [flow(f"2001:db8:0:1::{number}", heard_s) for number, heard_s in ((1, 5.0), (2, 3.0), (3, 4.0))]
    for one in crowd:
        assert add(table, one) is None
    assert add(table, flow("2001:db8:0:1::ffff", 6.0)) is crowd[1]
    assert add(table, flow("2001:db8:0:2::1", 6.0)) is None


def test_what_is_forgotten_counts_no_more() -> None:
    table = FlowTable(most=2)
    first = flow("192.0.2.1")
    add(table, first)
    assert table.get(first.number) is first
    assert table.remove(first)
    assert not table.remove(first)
    assert (table.get(first.number), table.get(None), len(table)) == (None, None, 0)


async def test_peers_that_do_not_read_cannot_hold_more_than_their_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 20
    monkeypatch.setattr(room, "FlowTable", lambda: FlowTable(most_of_network=most))
    open_sockets = room.Sockets(lambda _data, _hop: None, lambda _hop: None, spawn=lambda work: work.close())
    await open_sockets.open("127.0.0.1", 0)
    writers = []
    try:
        for _ in range(most + 25):
            _, writer = await asyncio.open_connection("127.0.0.1", open_sockets.ports["tcp"])
            writers.append(writer)
            for one in list(open_sockets._flows):
                one.send(b"x" * 1000)
        async with asyncio.timeout(5):
            while len(list(open_sockets._flows)) > most:
                await asyncio.sleep(0)
    finally:
        for writer in writers:
            writer.close()
        open_sockets.close()
