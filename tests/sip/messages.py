"""Messages as the tests of this folder send them; all made up."""

from __future__ import annotations

from sipmessage import URI, Request

from bridge.sip.hop import Hop
from bridge.sip.message import new_branch, top_via

ANN = Hop("udp", "192.0.2.1", 5060)
BOB = Hop("udp", "192.0.2.2", 5060)
ANN_TCP = Hop("tcp", "192.0.2.1", 40_000, flow=1)
BOB_TCP = Hop("tcp", "192.0.2.2", 5060, flow=2)

INVITE = (
    "INVITE sip:bob@192.0.2.2 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKone;rport\r\n"
    "Max-Forwards: 70\r\n"
    "From: Ann <sip:ann@192.0.2.1>;tag=a1\r\n"
    "To: Bob <sip:bob@192.0.2.2>\r\n"
    "Call-ID: call-1\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:ann@192.0.2.1:5060>\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 4\r\n"
    "\r\n"
    "ding"
)


def raw(*changes: tuple[str, str], text: str = INVITE) -> bytes:
    """An INVITE with some of its text replaced; each must be there, or the test would test nothing."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode("latin-1")


def request(method: str = "INVITE", *, cseq: int = 1, hop: Hop = BOB, branch: str = "") -> Request:
    """A request of Ann's to Bob."""
    made = Request(method=method, uri=URI.parse("sip:bob@192.0.2.2"))
    made.via = [top_via(hop, "192.0.2.1", 5060, branch or new_branch())]
    for name, value in (
        ("Max-Forwards", "70"),
        ("From", "Ann <sip:ann@192.0.2.1>;tag=a1"),
        ("To", "<sip:bob@192.0.2.2>"),
        ("Call-ID", "call-1"),
        ("CSeq", f"{cseq} {method}"),
    ):
        made.headers.set(name, value)
    return made
