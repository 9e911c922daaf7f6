"""Answers, tags and Via as others must find them."""

import pytest
from sipmessage import Request

from bridge.errors import MalformedSip
from bridge.sip.hop import Hop
from bridge.sip.message import (
    encode,
    mark_source,
    new_branch,
    new_call_id,
    new_tag,
    parse,
    response_hop,
    response_to,
    tag_of,
    top_via,
)
from bridge.sip.phrases import phrase_of
from tests.sip.messages import ANN, raw


def invite(*changes: tuple[str, str]) -> Request:
    message = parse(raw(*changes))
    assert isinstance(message, Request)
    return message


def test_an_answer_copies_what_belongs_to_the_request_as_it_was_written() -> None:
    vias = "branch=z9hG4bK+odd!*%'~`.one;ttl=1, SIP/2.0/TCP p:5;branch=z9hG4bKtwo"
    request = invite(("branch=z9hG4bKone", vias), ("Max-Forwards: 70", "Record-Route: <sip:p;lr;x=a%2Cb>"))
    written = encode(response_to(request, 180, to_tag="b1")).decode().split("\r\n")
    assert written == [
        "SIP/2.0 180 Ringing",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK+odd!*%'~`.one;ttl=1",
        "Via: SIP/2.0/TCP p:5;branch=z9hG4bKtwo;rport",
        "Record-Route: <sip:p;lr;x=a%2Cb>",
        "From: Ann <sip:ann@192.0.2.1>;tag=a1",
        "To: Bob <sip:bob@192.0.2.2>;tag=b1",
        "Call-ID: call-1",
        "CSeq: 1 INVITE",
        "Content-Length: 0",
        "",
        "",
    ]


def test_a_100_gets_no_tag_and_keeps_the_timestamp() -> None:
    answer = response_to(invite(("Max-Forwards: 70", "Timestamp: 54")), 100)
    assert tag_of(answer.headers["To"]) is None
    assert answer.headers["Timestamp"] == "54"


def test_a_tag_that_is_there_stays_and_a_new_one_is_new() -> None:
    request = invite(("To: Bob <sip:bob@192.0.2.2>", "To: <sip:b@h;tag=no>;TAG=mine"))
    assert response_to(request, 200, to_tag="other").headers["To"] == "<sip:b@h;tag=no>;TAG=mine"
    tags = {tag_of(response_to(invite(), 404).headers["To"]) for _ in range(2)}
    assert None not in tags
    assert len(tags) == 2


def test_a_refusal_begins_no_dialog_and_needs_no_route() -> None:
    request = invite(("Max-Forwards: 70", "Record-Route: <sip:p;lr>"))
    assert response_to(request, 486).headers.get("Record-Route") is None


def test_a_body_brings_its_type_and_length() -> None:
    answer = response_to(invite(), 200, body=b"v=0\r\n", content_type="application/sdp")
    assert encode(answer).endswith(b"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n")


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\nb", "a\rb", "a\x00"])
def test_a_value_with_a_line_break_is_not_sent(value: str) -> None:
    answer = response_to(invite(), 200, headers=[("Warning", value)])
    with pytest.raises(MalformedSip):
        encode(answer)
    with pytest.raises(MalformedSip):
        encode(response_to(invite(), 200, value))


@pytest.mark.parametrize(
    ("parameters", "source", "expected", "port"),
    [
        (";rport", Hop("udp", "192.0.2.1", 5060), ";rport=5060;received=192.0.2.1", 5060),
        (";rport=1;received=6.6.6.6", Hop("udp", "8.8.4.4", 777), ";rport=777;received=8.8.4.4", 777),
        ("", Hop("udp", "192.0.2.1", 777), "", 5060),
        ("", Hop("udp", "8.8.4.4", 777), ";received=8.8.4.4", 5060),
        (";maddr=6.6.6.6", Hop("udp", "8.8.4.4", 777), ";maddr=6.6.6.6;received=8.8.4.4", 5060),
        ("", Hop("tls", "8.8.4.4", 777, flow=9), ";received=8.8.4.4", 777),
    ],
)
def test_via_says_whence_a_request_came_and_where_its_answer_goes(
    parameters: str, source: Hop, expected: str, port: int
) -> None:
    request = invite((";rport", parameters))
    hop = response_hop(request, source)
    assert hop == Hop(source.transport, source.host, port, source.flow)
    mark_source(request, source)
    assert request.headers["Via"] == f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone{expected}"
    assert request.via[0].parameters["branch"] == "z9hG4bKone"


def test_a_sender_in_brackets_is_no_stranger_to_itself() -> None:
    request = invite(("UDP 192.0.2.1", "UDP [2001:db8::1]"), (";rport", ""))
    mark_source(request, Hop("udp", "2001:db8::1", 5060))
    assert "received" not in request.headers["Via"]


def test_our_via_names_transport_address_and_branch() -> None:
    via = top_via(Hop("tls", "x", 1), "2001:db8::1", 5061, "z9hG4bKx")
    assert str(via) == "SIP/2.0/TLS [2001:db8::1]:5061;branch=z9hG4bKx;rport"


def test_branches_tags_and_call_ids_are_never_the_same() -> None:
    made = [make() for make in (new_branch, new_tag, new_call_id) for _ in range(100)]
    assert len(set(made)) == 300
    assert all(branch.startswith("z9hG4bK") for branch in made[:100])


def test_a_tag_is_read_where_it_stands() -> None:
    assert tag_of('"a;tag=x" <sip:b;tag=y> ; Tag = z') == "z"
    assert tag_of("sip:b@h;tag=z;more") == "z"
    assert tag_of("<sip:b@h>") is None
    assert tag_of(None) is None


def test_every_status_has_a_phrase() -> None:
    assert [phrase_of(status) for status in (486, 499, 699, 199)] == [
        "Busy Here",
        "Bad Request",
        "Busy Everywhere",
        "Trying",
    ]


def test_a_hop_without_a_flow_fits_any_flow_to_the_same_end() -> None:
    flow = Hop("tcp", "192.0.2.1", 5060, flow=3)
    anyhow = Hop("tcp", "192.0.2.1", 5060)
    assert flow.meets(anyhow)
    assert anyhow.meets(flow)
    assert not flow.meets(Hop("tcp", "192.0.2.1", 5060, flow=4))
    assert not anyhow.meets(ANN)
    assert str(Hop("tls", "::1", 5061)) == "tls [::1]:5061"
    assert [flow.is_reliable, ANN.is_reliable] == [True, False]
