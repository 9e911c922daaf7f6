"""Two layers over a network that loses messages: whatever begins also ends."""

import heapq
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sipmessage import Request

from bridge.sip.hop import Hop
from bridge.sip.message import encode, parse, response_to
from bridge.sip.transactions import (
    Acked,
    Answered,
    Cancelled,
    Failed,
    Incoming,
    Output,
    TimedOut,
    Transactions,
    Transmit,
    Unacked,
)
from tests.sip.messages import ANN, BOB, raw, request

DELAY_S = 0.02


class Network:
    """
    Ann calls Bob over UDP; each message is lost or not as ``losses`` says, then none is lost any more.

    Bob rings, answers an INVITE with ``answer`` after two seconds and all else with 200; Ann acknowledges
    each 2xx, hangs up after it, and cancels at ``cancel_s``.
    """

    def __init__(self, losses: list[bool], *, answer: int = 200, cancel_s: float | None = None) -> None:
        self.losses = iter(losses)
        self.answer, self.cancel_s = answer, cancel_s
        self.ends = {ANN: Transactions(), BOB: Transactions()}
        self.heap: list[tuple[float, int, Hop, Hop, bytes]] = []
        self.told: list[str] = []
        self.invite = request()
        self.incoming: Incoming | None = None
        self.rings_until_s = float("inf")
        self.hung_up = False
        self.sent = 0

    def run(self) -> list[str]:
        now_s = 0.0
        key, outputs = self.ends[ANN].request(self.invite, BOB, now_s)
        self.carry_out(ANN, outputs, now_s)
        while (next_s := self.next_s()) < float("inf"):
            now_s = next_s
            if self.cancel_s is not None and now_s >= self.cancel_s:
                self.cancel_s = None
                self.carry_out(ANN, self.ends[ANN].cancel(key, now_s)[1], now_s)
            if self.incoming is not None and now_s >= self.rings_until_s:
                self.respond(self.answer, now_s)
            while self.heap and self.heap[0][0] <= now_s:
                _, _, source, target, data = heapq.heappop(self.heap)
                self.carry_out(target, self.ends[target].receive(parse(data), source, now_s), now_s)
            for end, layer in self.ends.items():
                self.carry_out(end, layer.advance(now_s), now_s)
        assert now_s < 200
        assert [len(layer) for layer in self.ends.values()] == [0, 0]
        return self.told

    def next_s(self) -> float:
        times = [layer.next_due_s for layer in self.ends.values()]
        times += [self.heap[0][0] if self.heap else None, self.rings_until_s, self.cancel_s]
        return min(time_s for time_s in [*times, float("inf")] if time_s is not None)

    def respond(self, code: int, now_s: float) -> None:
        assert self.incoming is not None
        self.rings_until_s = float("inf")
        response = response_to(self.incoming.request, code, to_tag="b1")
        self.carry_out(BOB, self.ends[BOB].respond(self.incoming.key, response, now_s), now_s)

    def carry_out(self, end: Hop, outputs: list[Output], now_s: float) -> None:
        for output in outputs:
            match output:
                case Transmit(data, hop):
                    self.send(end, hop, data, now_s)
                case Incoming(key, asked, _) if asked.method == "INVITE":
                    self.told.append("incoming")
                    self.incoming = output
                    self.rings_until_s = now_s + 2
                    ringing = response_to(asked, 180, to_tag="b1")
                    self.carry_out(BOB, self.ends[BOB].respond(key, ringing, now_s), now_s)
                case Incoming(key, asked, _):
                    self.told.append(f"incoming {asked.method}")
                    self.carry_out(BOB, self.ends[BOB].respond(key, response_to(asked, 200), now_s), now_s)
                case Cancelled():
                    self.told.append("cancelled")
                    self.respond(487, now_s)
                case Acked():
                    assert self.incoming is not None
                    self.ends[BOB].acked(self.incoming.key)
                case Answered(_, response, _) if response.cseq.method == "INVITE":
                    self.answered(response.code, now_s)
                case Answered(_, response, _):
                    self.told.append(f"{response.code} to {response.cseq.method}")
                case TimedOut() | Unacked() | Failed():
                    self.told.append(type(output).__name__)

    def answered(self, code: int, now_s: float) -> None:
        if code < 200:
            return
        if code < 300:
            self.send(ANN, BOB, encode(request("ACK")), now_s)
        if not self.hung_up:
            self.told.append(f"{code} to INVITE")
            self.hung_up = True
            if code < 300:
                self.carry_out(ANN, self.ends[ANN].request(request("BYE", cseq=2), BOB, now_s)[1], now_s)

    def send(self, source: Hop, target: Hop, data: bytes, now_s: float) -> None:
        self.sent += 1
        if not next(self.losses, False):
            heapq.heappush(self.heap, (now_s + DELAY_S, self.sent, source, target, data))


def losing(share: float, seed: int) -> list[bool]:
    chance = random.Random(seed)  # noqa: S311 - a script, not a secret
    return [chance.random() < share for _ in range(200)]


def test_a_call_without_loss_takes_six_messages() -> None:
    network = Network([])
    assert network.run() == ["incoming", "200 to INVITE", "incoming BYE", "200 to BYE"]
    assert network.sent == 6


@pytest.mark.parametrize("seed", range(200))
def test_with_every_fifth_message_lost_every_call_is_set_up_and_hung_up(seed: int) -> None:
    told = Network(losing(0.2, seed)).run()
    assert sorted(told) == ["200 to BYE", "200 to INVITE", "incoming", "incoming BYE"]


@pytest.mark.parametrize("seed", range(50))
def test_with_every_fifth_message_lost_every_refusal_is_heard_and_acknowledged(seed: int) -> None:
    assert Network(losing(0.2, seed), answer=486).run() == ["incoming", "486 to INVITE"]


@pytest.mark.parametrize("seed", range(50))
def test_with_every_fifth_message_lost_every_cancelled_call_ends_on_both_sides(seed: int) -> None:
    told = Network(losing(0.2, seed), cancel_s=1.0).run()
    assert ("487 to INVITE" in told) != ("200 to BYE" in told)


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.sampled_from([200, 486]), st.none() | st.floats(0, 5))
def test_whatever_is_lost_nothing_is_left_and_nothing_waits(
    losses: list[bool], answer: int, cancel_s: float | None
) -> None:
    told = Network(losses, answer=answer, cancel_s=cancel_s).run()
    assert told.count("incoming") <= 1
    assert told.count("cancelled") <= 1
    assert any("INVITE" in said or said == "TimedOut" for said in told)


def test_a_dead_network_is_noticed() -> None:
    assert Network([True] * 10_000).run() == ["TimedOut"]


STEPS = st.tuples(
    st.sampled_from(
        ["INVITE", "ACK", "CANCEL", "BYE", "100", "180", "200", "486", "respond", "cancel", "time"]
    ),
    st.integers(0, 3),
)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_no_order_of_events_breaks_the_layer(steps: list[tuple[str, int]]) -> None:
    layer = Transactions(most=8)
    keys: list[tuple[str, Request]] = []
    ours = [layer.request(request(branch=f"z9hG4bKours{number}"), BOB, 0.0)[0] for number in range(4)]
    now_s = 0.0
    for what, number in steps:
        outputs: list[Output] = []
        if what == "time":
            now_s += 10.0**number / 10
            outputs = layer.advance(now_s)
            assert layer.next_due_s is None or layer.next_due_s > now_s
        elif what == "cancel":
            outputs = layer.cancel(ours[number], now_s)[1]
        elif what == "respond" and keys:
            key, asked = keys[number % len(keys)]
            outputs = layer.respond(key, response_to(asked, (180, 200, 404, 487)[number]), now_s)
        elif what.isdigit():
            answer = response_to(request(branch=f"z9hG4bKours{number}"), int(what))
            outputs = layer.receive(parse(encode(answer)), BOB, now_s)
        elif what != "respond":
            data = raw(("INVITE sip", f"{what} sip"), ("1 INVITE", f"1 {what}"), ("one", f"{number}"))
            outputs = layer.receive(parse(data), ANN, now_s)
        keys += [(output.key, output.request) for output in outputs if isinstance(output, Incoming)]
        assert len(layer) <= 8 + 8
    while (due_s := layer.next_due_s) is not None:
        layer.advance(due_s)
    assert all(not isinstance(left, Answered) for left in layer.advance(now_s + 1e6))
