"""Dialogs (RFC 3261 section 12): tags, numbering, route sets and targets."""

from sipmessage import Request, Response

from bridge.sip.dialog import Dialog
from bridge.sip.parsing import parse

INVITE = (
    b"INVITE sip:+15551234@127.0.0.1:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bK1\r\n"
    b'From: "Ann" <sip:ann@example.test>;tag=a1\r\n'
    b"To: <sip:+15551234@127.0.0.1:5060>\r\n"
    b"Call-ID: c1@example.test\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:ann@192.0.2.4:5090>\r\n"
    b"Record-Route: <sip:p2.example.test;lr>\r\n"
    b"Record-Route: <sip:p1.example.test;lr>\r\n"
    b"Max-Forwards: 70\r\n"
    b"Content-Length: 0\r\n\r\n"
)
OK = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bK1\r\n"
    b"Record-Route: <sip:p2.example.test;lr>, <sip:p1.example.test;lr>\r\n"
    b'From: "Ann" <sip:ann@example.test>;tag=a1\r\n'
    b"To: <sip:+15551234@127.0.0.1:5060>;tag=b2\r\n"
    b"Call-ID: c1@example.test\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"Contact: <sip:bob@192.0.2.9:5070;transport=udp>\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def read_request(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def read_response(data: bytes) -> Response:
    message = parse(data)
    assert isinstance(message, Response)
    return message


def routes_of(request: Request) -> list[str]:
    return [str(route.uri) for route in request.route]


def test_the_caller_goes_back_through_the_proxies_the_other_way_round() -> None:
    dialog = Dialog.of_caller(read_request(INVITE), read_response(OK))
    bye = dialog.request("BYE")
    assert str(bye.uri) == "sip:bob@192.0.2.9:5070;transport=udp"
    assert routes_of(bye) == ["sip:p1.example.test;lr", "sip:p2.example.test;lr"]
    assert (bye.cseq.sequence, bye.cseq.method) == (8, "BYE")
    assert bye.from_address.parameters["tag"] == "a1"
    assert bye.to_address.parameters["tag"] == "b2"
    assert str(dialog.next_uri) == "sip:p1.example.test;lr"


def test_the_called_side_keeps_their_order() -> None:
    dialog = Dialog.of_callee(read_request(INVITE), read_response(OK))
    bye = dialog.request("BYE")
    assert str(bye.uri) == "sip:ann@192.0.2.4:5090"
    assert routes_of(bye) == ["sip:p2.example.test;lr", "sip:p1.example.test;lr"]
    assert bye.from_address.parameters["tag"] == "b2"
    assert bye.to_address.parameters["tag"] == "a1"
    assert bye.to_address.name == "Ann"


def test_an_ack_has_the_number_and_the_credentials_of_its_invite() -> None:
    invite = read_request(INVITE)
    invite.headers.set("Proxy-Authorization", 'Digest username="ann"')
    ack = Dialog.of_caller(invite, read_response(OK)).ack(invite)
    assert (ack.cseq.sequence, ack.cseq.method) == (7, "ACK")
    assert ack.headers.get("Proxy-Authorization") == 'Digest username="ann"'


def test_a_strict_router_becomes_the_request_uri() -> None:
    strict = OK.replace(b"<sip:p1.example.test;lr>", b"<sip:p1.example.test>")
    bye = Dialog.of_caller(read_request(INVITE), read_response(strict)).request("BYE")
    assert str(bye.uri) == "sip:p1.example.test"
    assert routes_of(bye) == ["sip:p2.example.test;lr", "sip:bob@192.0.2.9:5070;transport=udp"]


def test_what_comes_out_of_order_is_not_accepted() -> None:
    dialog = Dialog.of_callee(read_request(INVITE), read_response(OK))
    info = INVITE.replace(b"INVITE sip", b"INFO sip").replace(b"7 INVITE", b"9 INFO")
    assert dialog.accepts(read_request(info))
    assert not dialog.accepts(read_request(info))
    assert not dialog.accepts(read_request(info.replace(b"9 INFO", b"8 INFO")))
    assert dialog.accepts(read_request(info.replace(b"9 INFO", b"10 INFO")))


def test_a_new_contact_moves_the_target() -> None:
    dialog = Dialog.of_callee(read_request(INVITE), read_response(OK))
    dialog.refresh(read_request(INVITE.replace(b"192.0.2.4:5090", b"192.0.2.77")))
    assert str(dialog.request("BYE").uri) == "sip:ann@192.0.2.77"


def test_a_response_without_contact_leaves_the_target_where_it_was() -> None:
    without = OK.replace(b"Contact: <sip:bob@192.0.2.9:5070;transport=udp>\r\n", b"")
    dialog = Dialog.of_caller(read_request(INVITE), read_response(without))
    assert str(dialog.target) == "sip:+15551234@127.0.0.1:5060"
