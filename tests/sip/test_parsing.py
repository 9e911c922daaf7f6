"""What peers send: read if anybody could mean it, refused with the right words if not."""

import gc
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage import Request, Response

from bridge.errors import MalformedSip
from bridge.sip.hop import Hop
from bridge.sip.message import encode, mark_source, parse, response_hop, response_to
from tests.sip.messages import INVITE, raw

# RFC 4475 section 3.1.1.1, "a short tortuous INVITE", its SDP replaced by 150 letters.
TORTUOUS = (
    b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\n"
    b"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
    b"Content-Length   : 150\r\n"
    b"cseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    b"s :\r\n"
    b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
    b"  secondparam ; q = 0.33\r\n\r\n" + b"x" * 150
)


def read_request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def refused(data: bytes) -> MalformedSip:
    with pytest.raises(MalformedSip) as caught:
        parse(data)
    return caught.value


def test_the_tortuous_invite_of_rfc_4475_is_read() -> None:
    message = read_request(TORTUOUS)
    assert (message.method, message.max_forwards, message.cseq.sequence) == ("INVITE", 68, 9)
    assert message.to_address.parameters["tag"] == "1918181833n"
    assert message.from_address.name == 'J Rosenberg \\"'
    assert [via.parameters["branch"] for via in message.via] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert message.contact[0].parameters["q"] == "0.33"
    assert message.headers["NewFangledHeader"] == "newfangled value continued newfangled value"
    assert len(message.body) == 150


def test_bare_line_feeds_and_empty_lines_before_the_first_are_read() -> None:
    message = read_request(b"\r\n\r\n" + raw().replace(b"\r\n", b"\n"))
    assert message.call_id == "call-1"
    assert message.body == b"ding"


def test_a_response_may_have_no_phrase() -> None:
    message = parse(raw(("INVITE sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0 200"), ("ding", "dong")))
    assert isinstance(message, Response)
    assert (message.code, message.phrase, message.body) == (200, "", b"dong")


def test_compact_names_are_read() -> None:
    changes = (("Via", "v"), ("From", "f"), ("To:", "t:"), ("Call-ID", "i"), ("Contact", "m"))
    message = read_request(raw(*changes, ("Content-Length", "L")))
    assert (message.call_id, message.content_length) == ("call-1", 4)
    assert message.contact[0].uri.user == "ann"


def test_what_follows_the_stated_length_of_a_datagram_is_cut_off() -> None:
    assert read_request(raw(("Content-Length: 4", "Content-Length: 2"))).body == b"di"


def test_a_datagram_without_a_length_is_body_to_its_end() -> None:
    assert read_request(raw(("Content-Length: 4\r\n", ""))).body == b"ding"


def test_a_body_that_was_cut_on_the_way_is_refused() -> None:
    fault = refused(raw(("Content-Length: 4", "Content-Length: 5")))
    assert fault.status == 400
    assert fault.request is not None


@pytest.mark.parametrize("host", ["pbx1", "3fa9c2", "sip_proxy", "a.b-c.d9", "[2001:db8::1]", "x.invalid"])
def test_hosts_are_named_as_private_networks_name_them(host: str) -> None:
    message = read_request(raw(("@192.0.2.2 ", f"@{host} "), ("UDP 192.0.2.1", f"UDP {host}")))
    assert message.uri.host == message.via[0].host == host


def test_two_quoted_contacts_on_one_line_stay_two() -> None:
    line = 'Contact: "A, B" <sip:a,b@h>;x="1;2", "C" <sip:c@h>;y="\\""'
    message = read_request(raw(("Contact: <sip:ann@192.0.2.1:5060>", line)))
    assert [contact.uri.user for contact in message.contact] == ["a,b", "c"]


def test_tags_and_routes_are_written_as_they_were_read() -> None:
    tag, route = "tag=a+!%*'`~%41", '<sip:p;lr;x=%2Cb/$&;+y=[::1]>;z="a b"'
    message = read_request(raw(("tag=a1", tag), ("Max-Forwards: 70", f"Record-Route: {route}")))
    assert str(message.from_address) == f'"Ann" <sip:ann@192.0.2.1>;{tag}'
    assert str(message.record_route[0]) == route


def test_every_contact_may_be_withdrawn_by_a_star() -> None:
    changes = (("INVITE ", "REGISTER "), ("1 INVITE", "1 REGISTER"))
    message = read_request(raw(*changes, ("Contact: <sip:ann@192.0.2.1:5060>", "Contact: *")))
    assert message.headers.get("Contact") == "*"


def test_a_scheme_may_be_written_large() -> None:
    assert read_request(raw(("INVITE sip:", "INVITE SIP:"))).uri.scheme == "sip"


def test_headers_nobody_needs_may_be_nonsense() -> None:
    message = read_request(raw(("Max-Forwards: 70\r\n", "rubbish\r\nX y: z\r\nExpires: soon\r\n: \r\n")))
    assert message.max_forwards is None
    assert message.expires is None


def test_a_bare_carriage_return_cannot_begin_a_header_of_an_answer() -> None:
    message = read_request(raw(("From: Ann", "From: An\rn x\x00")))
    assert b"\r" not in encode(response_to(message, 200)).replace(b"\r\n", b"")


ANSWERED = [
    ("SIP/2.0\r\n", "SIP/3.0\r\n", 505),
    ("INVITE sip:", "INVITE http:", 416),
    ("sip:bob@192.0.2.2 SIP", "<sip:bob@192.0.2.2> SIP", 400),
    ("sip:bob@192.0.2.2 SIP", "sip:bob@192.0.2.2; lr SIP", 400),
    ("sip:bob@192.0.2.2 SIP", "sip:bob@192.0.2.2:99999 SIP", 400),
    ("sip:bob@192.0.2.2 SIP", "sip:bob@192.0.2.2;self=1 SIP", 400),
    ("From: Ann <sip:ann@192.0.2.1>", "From: Ann <ldap:ann>", 400),
    ("To: Bob <", "To: Bob, <", 400),
    ("<sip:ann@192.0.2.1:5060>", "<sip:ann@192.0.2.1:0>", 400),
    ("<sip:ann@192.0.2.1:5060>", "<sip:ann@192.0.2.1>;self=1", 400),
    ("CSeq: 1 INVITE", "CSeq: 1 BYE", 400),
    ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", 400),
    ("CSeq: 1 INVITE", "CSeq: one INVITE", 400),
    ("CSeq: 1 INVITE", "CSeq: 1 INVITE\r\nCSeq: 2 INVITE", 400),
    ("Call-ID: call-1", "Call-ID: call 1", 400),
    ("Content-Length: 4", "Content-Length: -4", 400),
    ("Content-Length: 4", "Content-Length: 4\r\nl: 3", 400),
    ("Max-Forwards: 70", "Max-Forwards: ten", 400),
    ("Contact:", "Record-Route: <sip:p", 400),
    ("Contact: <sip:ann@192.0.2.1:5060>", "Contact: *", 400),
]


@pytest.mark.parametrize(("old", "new", "status"), ANSWERED)
def test_what_cannot_be_acted_upon_is_refused_with_a_status(old: str, new: str, status: int) -> None:
    fault = refused(raw((old, new)))
    assert fault.status == status
    assert fault.request is not None
    answer = encode(response_to(fault.request, status))
    assert answer.startswith(b"SIP/2.0 %d " % status)
    assert b"z9hG4bKone" in answer


DROPPED = [
    ("Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone;rport\r\n", ""),
    ("Via: SIP/2.0/UDP 192.0.2.1:5060", "Via: SIP/2.0/UDP 192.0.2.1:65536"),
    ("Via: SIP/2.0/UDP", "Via: UDP"),
    ("Call-ID: call-1\r\n", ""),
    ("CSeq: 1 INVITE\r\n", "CSeq:\r\n"),
    ("From: Ann <sip:ann@192.0.2.1>;tag=a1\r\n", ""),
    ("INVITE sip:bob@192.0.2.2 SIP/2.0", "INVITE sip:bob@192.0.2.2"),
    ("INVITE sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0 99 OK"),
    ("INVITE sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0"),
    ("INVITE ", "IN(ITE "),
    ("\r\n\r\nding", "\r\n"),
    ("Max-Forwards: 70", "X: " + "y" * 8_192),
    ("Max-Forwards: 70", "X: y\r\n" * 300),
    ("ding", "d" * 65_536),
]


@pytest.mark.parametrize(("old", "new"), DROPPED)
def test_what_cannot_be_answered_is_dropped(old: str, new: str) -> None:
    fault = refused(raw((old, new)))
    assert fault.status is None
    assert fault.request is None


def test_no_response_and_no_ack_is_ever_answered() -> None:
    response = (("INVITE sip:bob@192.0.2.2 SIP/2.0", "SIP/2.0 200 OK"), ("1 INVITE", "one INVITE"))
    assert refused(raw(*response)).status is None
    ack = (("INVITE sip", "ACK sip"), ("1 INVITE", "one ACK"))
    assert refused(raw(*ack)).status is None


def acts_like_a_message(data: bytes) -> None:
    message: Request | Response | None = None
    try:
        message = parse(data)
    except MalformedSip as fault:
        status, request = fault.status, fault.request
    else:
        status, request = 200, message if isinstance(message, Request) else None
    if request is not None and status is not None:
        assert answered(request, status).startswith(b"SIP/2.0 %d " % status)
    if message is None:
        return
    touched = (message.from_address, message.to_address, message.route, message.record_route)
    assert len(touched) + len(message.via) + message.cseq.sequence >= 5
    assert message.content_length is None or message.content_length == len(message.body)
    if message.headers.get("Contact") != "*":
        assert isinstance(message.contact, list)
    if request is not None:
        assert isinstance(parse(answered(request, 200)), Response)


def answered(request: Request, status: int) -> bytes:
    source = Hop("udp", "203.0.113.7", 1234)
    assert 0 < response_hop(request, source).port < 65_536
    mark_source(request, source)
    return encode(response_to(request, status))


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    acts_like_a_message(data)
    acts_like_a_message(raw().replace(b"\r\n\r\n", b"\r\n" + data + b"\r\n\r\n"))


WORDS = [
    *(
        "\r\n",
        "\n ",
        "\n",
        " ",
        ";",
        ",",
        '"',
        "\\",
        "<",
        ">",
        "@",
        ":",
        "%00",
        "%",
        "=",
        "sip:",
        "self",
        "*",
    ),
    *("\x00", "z9hG4bK", "tag", "rport", "received", "branch", "Via: ", "To: ", "é", "[", "]", "65536", "-1"),
]


@given(
    st.lists(
        st.tuples(st.integers(0, len(INVITE)), st.integers(0, 12), st.sampled_from(WORDS)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([INVITE.encode(), TORTUOUS]),
)
def test_a_message_with_words_put_in_and_cut_out_is_one_or_malformed(
    edits: list[tuple[int, int, str]], whole: bytes
) -> None:
    for at, cut, word in edits:
        whole = whole[:at] + word.encode() + whole[at + cut :]
    acts_like_a_message(whole)


@pytest.mark.parametrize("header", ["Via: SIP", "From: Ann", "To: Bob", "Contact: "])
def test_what_cannot_be_read_leaves_nothing_behind(header: str) -> None:
    """Anybody can send it, as often as he likes."""
    message = raw((header, f"{header}\0;;"))

    def objects_after(times: int) -> int:
        for _ in range(times):
            refused(message)
        gc.collect()
        return len(gc.get_objects())

    before = objects_after(10)
    assert objects_after(200) - before < 20


@pytest.mark.parametrize("header", ["From: <tel:{}!>;tag=1", "To: <tel:+{}!>", "Contact: <tel:{}->!"])
def test_a_long_number_is_read_in_the_time_it_takes_to_send(header: str) -> None:
    """A pattern that goes over it again for each digit would stop every call for seconds."""
    name = header.partition(":")[0]
    old = next(line for line in INVITE.split("\r\n") if line.startswith(f"{name}:"))
    began_s = time.perf_counter()
    refused(raw((old, header.format("1" * 8_000))))
    assert time.perf_counter() - began_s < 0.25


@pytest.mark.parametrize(
    "number", ["+1-202-555.0123", "7042;phone-context=example.com", "+12025550123;ext=5"]
)
def test_a_number_as_an_address_is_read(number: str) -> None:
    message = read_request(raw(("Ann <sip:ann@192.0.2.1>", f"<tel:{number}>")))
    assert str(message.from_address.uri) == f"tel:{number}"


@pytest.mark.parametrize("address", ["2001:db8::9", "::1", "::ffff:192.0.2.1", "[2001:db8::9]", "192.0.2.1"])
def test_an_address_that_a_peer_saw_may_be_written_without_brackets(address: str) -> None:
    """RFC 5118 section 4.5."""
    message = read_request(raw((";rport", f";rport=5060;received={address}")))
    assert message.via[0].parameters["received"] == address


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("To: Bob <sip:bob@", "To: Bob <sip:*31#123@"),
        ("To: Bob <sip:bob@192.0.2.2>", "To: Bob <SIP:bob@192.0.2.2>"),
        ("Contact: <sip:ann@192.0.2.1:5060>", "Contact: <sip:ann@192.0.2.1:5060;ob;key=YWJj==>"),
    ],
)
def test_addresses_are_read_as_phones_write_them(old: str, new: str) -> None:
    assert isinstance(parse(raw((old, new))), Request)
