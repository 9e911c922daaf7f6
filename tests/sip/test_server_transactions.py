"""Requests of others: RFC 3261 figures 7 and 8, and the Accepted state of RFC 6026, timer by timer."""

import pytest
from sipmessage import Request

from bridge.errors import MalformedSip
from bridge.sip.client_transaction import related_request
from bridge.sip.hop import Hop
from bridge.sip.message import encode, parse, response_to, tag_of
from bridge.sip.transactions import (
    Acked,
    Cancelled,
    Incoming,
    Output,
    Transactions,
    Transmit,
    Unacked,
)
from tests.sip.messages import ANN, ANN_TCP, raw, request

BOTH = pytest.mark.parametrize("hop", [ANN, ANN_TCP])


def read(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


class Bob:
    """One end whose clock is turned by hand, with one request of Ann's."""

    def __init__(self, hop: Hop, method: str = "INVITE") -> None:
        self.layer = Transactions()
        self.hop = hop
        self.now_s = 100.0
        self.data = encode(request(method))
        [incoming] = self.again()
        assert isinstance(incoming, Incoming)
        self.key, self.request = incoming.key, incoming.request
        assert incoming.hop == hop

    def again(self) -> list[Output]:
        return self.layer.receive(read(self.data), self.hop, self.now_s)

    def says(self, code: int) -> list[Output]:
        return self.layer.respond(self.key, response_to(self.request, code, to_tag="b1"), self.now_s)

    def hears(self, method: str, *, branch: str = "") -> list[Output]:
        """Ann's ACK or CANCEL."""
        message = related_request(read(self.data), method, to="<sip:bob@192.0.2.2>;tag=b1")
        if branch:
            message.headers.set("Via", message.headers["Via"].replace("z9hG4bK", branch))
        return self.layer.receive(read(encode(message)), self.hop, self.now_s)

    def sent_until_s(self, end_s: float) -> list[tuple[float, int]]:
        """Turn the clock; give when, counted from now, which status was sent."""
        found: list[tuple[float, int]] = []
        start_s = self.now_s
        while (due_s := self.layer.next_due_s) is not None and due_s <= start_s + end_s:
            found += [(due_s - start_s, code) for code in statuses(self.layer.advance(due_s))]
        self.now_s = start_s + end_s
        return found

    def end_after_s(self, seconds: float) -> list[Output]:
        """Nothing before then; what there is at that time, and that it is all over."""
        assert self.layer.next_due_s == pytest.approx(self.now_s + seconds)
        assert self.layer.advance(self.now_s + seconds - 0.001) == []
        outputs = self.layer.advance(self.now_s + seconds)
        assert len(self.layer) == 0
        assert self.layer.next_due_s is None
        return outputs


def statuses(outputs: list[Output]) -> list[int]:
    assert all(isinstance(output, Transmit) for output in outputs), outputs
    return [int(output.data[8:11]) for output in outputs if isinstance(output, Transmit)]


# INVITE: figure 7


@BOTH
def test_an_invite_nobody_answers_gets_its_100_after_200_ms(hop: Hop) -> None:
    bob = Bob(hop)
    assert bob.sent_until_s(0.19) == []
    assert [code for _, code in bob.sent_until_s(0.02)] == [100]
    assert statuses(bob.again()) == [100]
    assert bob.layer.next_due_s is None


def test_a_copy_that_is_quicker_than_the_100_brings_it_at_once() -> None:
    bob = Bob(ANN)
    assert statuses(bob.again()) == [100]
    assert bob.sent_until_s(5.0) == []


@BOTH
def test_a_ringing_invite_repeats_its_last_answer_for_each_copy_only(hop: Hop) -> None:
    bob = Bob(hop)
    assert statuses(bob.says(180)) == [180]
    assert statuses(bob.says(183)) == [183]
    assert statuses(bob.again()) == [183]
    assert bob.layer.next_due_s is None
    assert bob.hears("ACK") == []


def test_a_refusal_over_udp_is_repeated_by_timer_g_until_timer_h() -> None:
    bob = Bob(ANN)
    assert statuses(bob.says(486)) == [486]
    times = [time_s for time_s, _ in bob.sent_until_s(31.9)]
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bob.layer.advance(132.0) == [Unacked(bob.key)]
    assert len(bob.layer) == 0


def test_a_refusal_over_tcp_is_sent_once_and_missed_by_timer_h() -> None:
    bob = Bob(ANN_TCP)
    bob.says(486)
    assert bob.end_after_s(32.0) == [Unacked(bob.key)]


def test_a_refusal_is_repeated_for_each_copy_and_changes_no_more() -> None:
    bob = Bob(ANN)
    bob.says(486)
    assert statuses(bob.again()) == [486]
    assert bob.says(200) == []
    assert bob.says(603) == []


def test_an_ack_ends_the_refusal_and_timer_i_swallows_what_still_comes() -> None:
    bob = Bob(ANN)
    bob.says(486)
    assert bob.hears("ACK") == []
    assert bob.again() == []
    assert bob.hears("ACK") == []
    assert bob.says(200) == []
    assert bob.end_after_s(5.0) == []


def test_an_ack_over_tcp_ends_the_refusal_at_once() -> None:
    bob = Bob(ANN_TCP)
    bob.says(486)
    assert bob.hears("ACK") == []
    assert len(bob.layer) == 0


@BOTH
def test_a_2xx_is_repeated_over_every_transport_until_somebody_says_it_is_acked(hop: Hop) -> None:
    bob = Bob(hop)
    assert statuses(bob.says(200)) == [200]
    assert bob.sent_until_s(8.0) == [(0.5, 200), (1.5, 200), (3.5, 200), (7.5, 200)]
    [acked] = bob.hears("ACK", branch="z9hG4bKnew")
    assert isinstance(acked, Acked)
    assert (acked.request.method, acked.hop) == ("ACK", hop)
    bob.layer.acked(bob.key)
    assert bob.again() == []
    assert bob.end_after_s(24.0) == []


@BOTH
def test_a_2xx_nobody_acknowledges_is_told_after_64_t1(hop: Hop) -> None:
    bob = Bob(hop)
    bob.says(200)
    assert bob.again() == []
    assert len(bob.sent_until_s(31.9)) == 10
    assert bob.layer.advance(132.0) == [Unacked(bob.key)]
    assert len(bob.layer) == 0


def test_an_ack_of_a_2xx_that_kept_the_branch_is_told_as_well() -> None:
    bob = Bob(ANN)
    bob.says(200)
    [acked] = bob.hears("ACK")
    assert isinstance(acked, Acked)


def test_an_ack_that_fits_nothing_is_told_and_answered_never() -> None:
    ack = read(encode(request("ACK")))
    assert Transactions().receive(ack, ANN, 0.0) == [Acked(ack, ANN)]


def test_telling_the_wrong_one_acked_changes_nothing() -> None:
    bob = Bob(ANN)
    bob.says(486)
    bob.layer.acked(bob.key)
    bob.layer.acked("nothing")
    assert bob.sent_until_s(1.0) == [(0.5, 486)]


# CANCEL: section 9.2


@BOTH
def test_a_cancel_is_answered_and_told_once(hop: Hop) -> None:
    bob = Bob(hop)
    bob.says(180)
    answer, told = bob.hears("CANCEL")
    assert isinstance(answer, Transmit)
    ok = parse(answer.data)
    assert (answer.data[:11], str(ok.cseq), tag_of(ok.headers["To"])) == (b"SIP/2.0 200", "1 CANCEL", "b1")
    assert isinstance(told, Cancelled)
    assert (told.key, told.request.method) == (bob.key, "CANCEL")
    assert statuses(bob.hears("CANCEL")) == [200]
    assert statuses(bob.says(487)) == [487]


@pytest.mark.parametrize("code", [200, 486])
def test_a_cancel_that_comes_too_late_is_answered_and_changes_nothing(code: int) -> None:
    bob = Bob(ANN)
    bob.says(code)
    assert statuses(bob.hears("CANCEL")) == [200]


def test_a_cancel_of_nothing_is_refused() -> None:
    bob = Bob(ANN)
    assert statuses(bob.hears("CANCEL", branch="z9hG4bKother")) == [481]
    stranger = Bob(ANN, "BYE")
    assert statuses(stranger.hears("CANCEL")) == [481]


# All other requests: figure 8


@BOTH
def test_copies_of_a_request_are_swallowed_and_one_never_answered_is_forgotten(hop: Hop) -> None:
    bob = Bob(hop, "BYE")
    assert bob.again() == []
    assert bob.end_after_s(32.0) == []


def test_a_request_that_is_worked_on_repeats_its_last_answer_for_each_copy() -> None:
    bob = Bob(ANN, "OPTIONS")
    assert statuses(bob.says(100)) == [100]
    assert statuses(bob.again()) == [100]
    assert statuses(bob.says(200)) == [200]
    assert statuses(bob.again()) == [200]


def test_an_answer_over_udp_is_repeated_for_each_copy_until_timer_j() -> None:
    bob = Bob(ANN, "BYE")
    assert statuses(bob.says(200)) == [200]
    assert statuses(bob.again()) == [200]
    assert bob.says(500) == []
    assert bob.end_after_s(32.0) == []


def test_an_answer_over_tcp_ends_the_request() -> None:
    bob = Bob(ANN_TCP, "BYE")
    assert statuses(bob.says(200)) == [200]
    assert len(bob.layer) == 0
    assert bob.says(200) == []


# Matching and bounds: section 17.2.3


def test_a_branch_belongs_to_its_sender_and_method() -> None:
    layer = Transactions()
    mine = raw()
    theirs = raw(("UDP 192.0.2.1:5060", "UDP 192.0.2.1:5070"))
    bye = raw(("INVITE sip", "BYE sip"), ("1 INVITE", "2 BYE"))
    found = [layer.receive(read(data), ANN, 0.0) for data in (mine, theirs, bye)]
    assert [type(output) for outputs in found for output in outputs] == [Incoming] * 3


def test_an_old_peer_without_the_magic_branch_is_matched_by_its_headers() -> None:
    layer = Transactions()
    old = (";branch=z9hG4bKone;rport", "")
    [incoming] = layer.receive(read(raw(old)), ANN, 0.0)
    assert isinstance(incoming, Incoming)
    assert statuses(layer.receive(read(raw(old)), ANN, 0.1)) == [100]
    layer.respond(incoming.key, response_to(incoming.request, 404), 0.2)
    ack = raw(old, ("INVITE sip", "ACK sip"), ("1 INVITE", "1 ACK"), ("192.0.2.2>\r", "192.0.2.2>;tag=b\r"))
    assert layer.receive(read(ack), ANN, 0.3) == []
    other = raw(old, ("call-1", "call-2"))
    assert [type(output) for output in layer.receive(read(other), ANN, 0.4)] == [Incoming]


def test_answers_go_where_via_and_source_say() -> None:
    layer = Transactions()
    source = Hop("udp", "203.0.113.5", 6789)
    [incoming] = layer.receive(read(raw()), source, 0.0)
    assert isinstance(incoming, Incoming)
    assert incoming.hop == source
    [answer] = layer.respond(incoming.key, response_to(incoming.request, 486), 0.0)
    assert isinstance(answer, Transmit)
    assert answer.hop == source
    assert b";rport=6789;received=203.0.113.5\r\n" in answer.data


def test_beyond_the_bound_a_request_is_refused_and_not_remembered() -> None:
    layer = Transactions(most=1)
    first = encode(request())
    [incoming] = layer.receive(read(first), ANN, 0.0)
    assert isinstance(incoming, Incoming)
    [busy] = layer.receive(read(encode(request("BYE"))), ANN, 0.0)
    assert isinstance(busy, Transmit)
    assert busy.data.startswith(b"SIP/2.0 503 ")
    assert b"\r\nRetry-After: 10\r\n" in busy.data
    assert len(layer) == 1
    assert statuses(layer.receive(read(first), ANN, 0.0)) == [100]
    cancel = encode(related_request(read(first), "CANCEL", to="<sip:bob@192.0.2.2>"))
    assert [type(output) for output in layer.receive(read(cancel), ANN, 0.0)] == [Transmit, Cancelled]
    ack = read(encode(request("ACK")))
    assert layer.receive(ack, ANN, 0.0) == [Acked(ack, ANN)]


def test_what_could_not_be_read_is_refused_where_it_came_from() -> None:
    layer = Transactions()
    source = Hop("udp", "203.0.113.5", 6789)
    with pytest.raises(MalformedSip) as caught:
        parse(raw(("1 INVITE", "1 BYE")))
    [answer] = layer.refuse(caught.value, source)
    assert isinstance(answer, Transmit)
    assert answer.hop == source
    assert answer.data.startswith(b"SIP/2.0 400 ")
    assert b";rport=6789" in answer.data
    assert layer.refuse(MalformedSip("nothing to say", status=None), source) == []
    assert len(layer) == 0


def test_an_answer_that_cannot_be_written_may_be_given_again_in_order() -> None:
    bob = Bob(ANN)
    forged = response_to(bob.request, 200, headers=[("X", "a\r\nb")])
    with pytest.raises(MalformedSip):
        bob.layer.respond(bob.key, forged, bob.now_s)
    assert statuses(bob.says(500)) == [500]
