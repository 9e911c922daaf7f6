"""Requests of ours: RFC 3261 figures 5 and 6, and the Accepted state of RFC 6026, timer by timer."""

import pytest
from sipmessage import Request, Response

from bridge.errors import MalformedSip
from bridge.sip.hop import Hop
from bridge.sip.message import encode, parse, response_to
from bridge.sip.timing import Timing
from bridge.sip.transactions import (
    Answered,
    Failed,
    Output,
    TimedOut,
    Transactions,
    Transmit,
)
from tests.sip.messages import BOB, BOB_TCP, request

BOTH = pytest.mark.parametrize("hop", [BOB, BOB_TCP])


class Ann:
    """One end whose clock is turned by hand and whose requests Bob answers as told."""

    def __init__(self, hop: Hop, method: str = "INVITE", *, timing: Timing | None = None) -> None:
        self.layer = Transactions(timing)
        self.hop = hop
        self.now_s = 100.0
        self.request = request(method, hop=hop)
        self.key, outputs = self.layer.request(self.request, hop, self.now_s)
        assert outputs == [Transmit(encode(self.request), hop)]

    def hears(self, code: int, *, tag: str = "b1", method: str = "") -> list[Output]:
        asked = self.request
        if method:
            asked = parse_request(encode(asked))
            asked.headers.set("CSeq", f"1 {method}")
        answer = parse(encode(response_to(asked, code, to_tag=tag)))
        return self.layer.receive(answer, self.hop, self.now_s)

    def copies_until_s(self, end_s: float) -> list[float]:
        """Turn the clock; give the seconds after the start at which the request was sent again."""
        times: list[float] = []
        data = encode(self.request)
        while (due_s := self.layer.next_due_s) is not None and due_s <= 100 + end_s:
            self.now_s = due_s
            outputs = self.layer.advance(due_s)
            times += [due_s - 100 for output in outputs if output == Transmit(data, self.hop)]
            assert all(isinstance(output, Transmit) for output in outputs), outputs
        self.now_s = 100 + end_s
        return times

    def end_after_s(self, seconds: float) -> list[Output]:
        """Nothing before then; what there is at that time, and that it is all over."""
        assert self.layer.next_due_s == pytest.approx(self.now_s + seconds)
        assert self.layer.advance(self.now_s + seconds - 0.001) == []
        self.now_s += seconds
        outputs = self.layer.advance(self.now_s)
        assert len(self.layer) == 0
        assert self.layer.next_due_s is None
        return outputs


def parse_request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def codes(outputs: list[Output]) -> list[int]:
    assert all(isinstance(output, Answered) for output in outputs), outputs
    return [output.response.code for output in outputs if isinstance(output, Answered)]


def sent(outputs: list[Output]) -> Request:
    [data] = [output.data for output in outputs if isinstance(output, Transmit)]
    return parse_request(data)


# INVITE: figure 5


def test_an_invite_over_udp_is_repeated_by_timer_a_until_timer_b_ends_it() -> None:
    ann = Ann(BOB)
    assert ann.copies_until_s(31.9) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert ann.layer.advance(132.0) == [TimedOut(ann.key)]
    assert len(ann.layer) == 0


def test_an_invite_over_tcp_is_sent_once_and_ended_by_timer_b() -> None:
    ann = Ann(BOB_TCP)
    assert ann.end_after_s(32.0) == [TimedOut(ann.key)]


@BOTH
def test_a_ringing_invite_waits_for_ever(hop: Hop) -> None:
    ann = Ann(hop)
    assert codes(ann.hears(100)) == [100]
    assert codes(ann.hears(180)) == [180]
    assert codes(ann.hears(180)) == [180]
    assert ann.layer.next_due_s is None
    assert ann.layer.advance(100_000.0) == []
    assert len(ann.layer) == 1


@BOTH
@pytest.mark.parametrize("rings", [False, True])
def test_every_copy_of_a_2xx_is_told_until_timer_m(hop: Hop, *, rings: bool) -> None:
    ann = Ann(hop)
    if rings:
        ann.hears(180)
    assert codes(ann.hears(200)) == [200]
    ann.now_s += 1
    assert codes(ann.hears(200)) == [200]
    assert codes(ann.hears(200, tag="another-fork")) == [200]
    assert ann.hears(180) == []
    assert ann.hears(486) == []
    ann.now_s -= 1
    assert ann.end_after_s(32.0) == []
    assert ann.hears(200) == []


@pytest.mark.parametrize("rings", [False, True])
def test_a_refusal_over_udp_is_acknowledged_and_its_copies_until_timer_d(*, rings: bool) -> None:
    ann = Ann(BOB)
    ann.request.headers.setlist("Route", ["<sip:p;lr>", "<sip:q;lr>"])
    if rings:
        ann.hears(180)
    outputs = ann.hears(486)
    ack = sent(outputs)
    assert codes(outputs[1:]) == [486]
    assert (ack.method, str(ack.cseq), ack.uri) == ("ACK", "1 ACK", ann.request.uri)
    assert ack.headers["To"].endswith(";tag=b1")
    for name in ("From", "Call-ID"):
        assert ack.headers[name] == ann.request.headers[name]
    assert ack.headers.getlist("Via") == ann.request.headers.getlist("Via")
    assert ack.headers.getlist("Route") == ["<sip:p;lr>", "<sip:q;lr>"]
    ann.now_s += 1
    assert ann.hears(486) == [Transmit(encode(ack), BOB)]
    assert ann.hears(200) == []
    assert ann.hears(180) == []
    ann.now_s -= 1
    assert ann.end_after_s(32.0) == []


def test_a_refusal_over_tcp_is_acknowledged_and_over() -> None:
    ann = Ann(BOB_TCP)
    outputs = ann.hears(404)
    assert sent(outputs).method == "ACK"
    assert codes(outputs[1:]) == [404]
    assert len(ann.layer) == 0
    assert ann.hears(404) == []


# CANCEL: section 9.1


def test_a_cancel_waits_for_the_first_provisional_response() -> None:
    ann = Ann(BOB)
    cancel_key, outputs = ann.layer.cancel(ann.key, ann.now_s)
    assert outputs == []
    assert cancel_key is not None
    outputs = ann.hears(100)
    assert codes(outputs[:1]) == [100]
    cancel = sent(outputs[1:])
    assert (cancel.method, str(cancel.cseq), cancel.headers["To"]) == (
        "CANCEL",
        "1 CANCEL",
        ann.request.headers["To"],
    )
    assert cancel.headers.getlist("Via") == ann.request.headers.getlist("Via")
    assert ann.layer.cancel(ann.key, ann.now_s) == (cancel_key, [])
    [answer] = ann.hears(200, method="CANCEL")
    assert isinstance(answer, Answered)
    assert answer.key == cancel_key
    ended = ann.hears(487)
    assert codes(ended[1:]) == [487]


@BOTH
def test_a_cancelled_invite_that_never_ends_is_given_up_after_64_t1(hop: Hop) -> None:
    ann = Ann(hop)
    ann.hears(180)
    _, outputs = ann.layer.cancel(ann.key, ann.now_s)
    assert sent(outputs).method == "CANCEL"
    ann.hears(200, method="CANCEL")
    assert ann.layer.advance(131.9) == []
    assert ann.layer.advance(132.0) == [TimedOut(ann.key)]


def test_an_invite_that_nobody_heard_of_times_out_without_a_cancel() -> None:
    ann = Ann(BOB_TCP)
    ann.layer.cancel(ann.key, ann.now_s)
    assert ann.end_after_s(32.0) == [TimedOut(ann.key)]


def test_what_has_its_answer_cannot_be_cancelled() -> None:
    ann = Ann(BOB)
    ann.hears(200)
    assert ann.layer.cancel(ann.key, ann.now_s) == (None, [])
    assert ann.layer.cancel("nothing", ann.now_s) == (None, [])
    bye = Ann(BOB, "BYE")
    assert bye.layer.cancel(bye.key, bye.now_s) == (None, [])


# All other requests: figure 6


def test_a_request_over_udp_is_repeated_by_timer_e_until_timer_f_ends_it() -> None:
    ann = Ann(BOB, "BYE")
    assert ann.copies_until_s(31.9) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert ann.layer.advance(132.0) == [TimedOut(ann.key)]
    assert len(ann.layer) == 0


def test_a_request_that_is_worked_on_is_repeated_every_t2_until_timer_f() -> None:
    ann = Ann(BOB, "OPTIONS")
    assert codes(ann.hears(100)) == [100]
    assert ann.copies_until_s(31.9) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert ann.layer.advance(132.0) == [TimedOut(ann.key)]


@pytest.mark.parametrize("works", [False, True])
def test_a_request_over_tcp_is_sent_once_and_ended_by_timer_f(*, works: bool) -> None:
    ann = Ann(BOB_TCP, "BYE")
    if works:
        assert codes(ann.hears(100)) == [100]
    assert ann.end_after_s(32.0) == [TimedOut(ann.key)]


@pytest.mark.parametrize("code", [200, 302, 481, 503, 603])
def test_the_answer_is_told_once_and_its_copies_swallowed_until_timer_k(code: int) -> None:
    ann = Ann(BOB, "BYE")
    assert codes(ann.hears(code)) == [code]
    assert ann.hears(code) == []
    assert ann.end_after_s(5.0) == []


def test_an_answer_over_tcp_ends_the_request() -> None:
    ann = Ann(BOB_TCP, "BYE")
    assert codes(ann.hears(200)) == [200]
    assert len(ann.layer) == 0


# The layer


def test_a_response_to_somebody_else_is_dropped() -> None:
    ann = Ann(BOB)
    stranger = response_to(request(), 200)
    assert ann.layer.receive(stranger, BOB, ann.now_s) == []
    assert ann.hears(200, method="BYE") == []


@BOTH
def test_a_lost_way_fails_what_has_no_answer_and_is_silent_about_the_rest(hop: Hop) -> None:
    ann = Ann(hop)
    answered, _ = ann.layer.request(request(hop=hop), hop, ann.now_s)
    elsewhere, _ = ann.layer.request(request("BYE", hop=BOB), Hop("udp", "192.0.2.9", 5060), ann.now_s)
    ann.hears(200)
    assert ann.layer.transport_failed(hop, ann.now_s) == [Failed(answered)]
    assert len(ann.layer) == 1
    last = [output for _ in range(20) for output in ann.layer.advance(ann.layer.next_due_s or ann.now_s)]
    assert TimedOut(elsewhere) in last
    assert {output.hop.host for output in last if isinstance(output, Transmit)} == {"192.0.2.9"}


def test_another_connection_to_the_same_end_is_another_way() -> None:
    ann = Ann(BOB_TCP)
    assert ann.layer.transport_failed(Hop("tcp", BOB_TCP.host, BOB_TCP.port, flow=99), 100.0) == []
    assert ann.layer.transport_failed(Hop("tcp", BOB_TCP.host, BOB_TCP.port), 100.0) == [Failed(ann.key)]


def test_a_request_beyond_the_bound_fails_at_once() -> None:
    layer = Transactions(most=1)
    layer.request(request(), BOB, 0.0)
    key, outputs = layer.request(request(), BOB, 0.0)
    assert outputs == [Failed(key)]
    assert len(layer) == 1


def test_a_branch_is_used_once() -> None:
    layer = Transactions()
    layer.request(request(branch="z9hG4bKx"), BOB, 0.0)
    with pytest.raises(ValueError, match="branch"):
        layer.request(request(branch="z9hG4bKx"), BOB, 0.0)
    with pytest.raises(ValueError, match="branch"):
        layer.request(request(branch="old"), BOB, 0.0)


def test_a_request_that_cannot_be_written_leaves_nothing_behind() -> None:
    layer = Transactions()
    forged = request()
    forged.headers.set("From", "x\r\nVia: y")
    with pytest.raises(MalformedSip):
        layer.request(forged, BOB, 0.0)
    assert len(layer) == 0


def test_times_follow_from_t1_t2_and_t4() -> None:
    ann = Ann(BOB, "BYE", timing=Timing(t1_s=0.125, t2_s=0.25, t4_s=0.5))
    assert ann.copies_until_s(1.0) == [0.125, 0.375, 0.625, 0.875]
    ann.hears(200)
    assert ann.end_after_s(0.5) == []
    with pytest.raises(ValueError, match="above zero"):
        Timing(t1_s=0)


def test_a_late_clock_sends_one_copy_and_not_all_it_missed() -> None:
    ann = Ann(BOB, "BYE")
    assert len(ann.layer.advance(110.0)) == 1
    assert ann.layer.next_due_s == 111.0


def test_alarms_of_what_is_over_are_not_kept() -> None:
    layer = Transactions()
    for _ in range(2_000):
        asked = request("BYE", hop=BOB_TCP)
        layer.request(asked, BOB_TCP, 0.0)
        layer.receive(response_to(asked, 200), BOB_TCP, 0.0)
    assert len(layer) == 0
    assert len(layer._alarms) < 100
    assert layer.next_due_s is None


def test_a_response_keeps_its_type() -> None:
    ann = Ann(BOB)
    [output] = ann.hears(183)
    assert isinstance(output, Answered)
    assert isinstance(output.response, Response)
    assert (output.key, output.hop) == (ann.key, BOB)
