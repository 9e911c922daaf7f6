"""Where the session description is."""

import pytest
from sipmessage import URI, Request

from bridge.errors import SdpError
from bridge.sip.sdp_body import sdp_of

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"


def request(kind: str | None, body: bytes) -> Request:
    message = Request("INVITE", URI(scheme="sip", host="192.0.2.2"), body)
    if kind is not None:
        message.headers.set("Content-Type", kind)
    return message


@pytest.mark.parametrize("kind", [None, "application/sdp", "Application/SDP ;charset=utf-8"])
def test_a_body_of_its_own_kind_is_it(kind: str | None) -> None:
    assert sdp_of(request(kind, SDP)) == SDP


def test_no_body_is_none_of_whatever_kind() -> None:
    assert sdp_of(request("text/plain", b"")) == b""


@pytest.mark.parametrize("boundary", ["one", '"one"'])
def test_it_is_found_among_other_parts(boundary: str) -> None:
    body = (
        b"--one\r\nContent-Type: application/isup;version=nxv3\r\n\r\n\x01\x02\r\n"
        b"--one\r\nContent-Disposition: session\r\ncontent-type : application/sdp\r\n\r\n"
        + SDP
        + b"\r\n--one--\r\n"
    )
    assert sdp_of(request(f"multipart/mixed; boundary={boundary}", body)).startswith(SDP)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/mixed", "multipart/mixed;boundary=x"])
def test_anything_else_is_refused_as_what_it_is(kind: str) -> None:
    with pytest.raises(SdpError) as refused:
        sdp_of(request(kind, b"--x\r\nContent-Type: text/plain\r\n\r\nhello"))
    assert refused.value.status == 415
