"""SIP addresses: what Twilio dials passes unchanged, everything else is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.sip_uri import MAX_HEADER_CHARACTERS, MAX_URI_CHARACTERS, read_sip_uri
from bridge.errors import InvalidField


@pytest.mark.parametrize(
    "text",
    [
        "sip:jong-un@sip.linphone.org",
        "sip:demo@localhost",
        "sip:+12025550123@pbx.example.com:5061",
        "sips:alice@10.0.0.1;transport=tls",
        "sip:alice@[2001:db8::1]:5060;transport=UDP",
        "sip:alice@example.com.;region=ie1;edge=dublin;secure=true",
        "sip:alice@example.com;transport=tls;secure=true;lr",
        "sip:a%20b&=+$,;?/x@h",
        "sip:alice@h?X-Order=42&X-Name=J%C3%B6rg&User-to-User=abc%3Bencoding%3Dhex",
        "sip:alice@h;transport=tcp?Remote-Party-ID=x&p-preferred-identity=y&P-Called-Party-ID=",
        f"sip:{'u' * (MAX_URI_CHARACTERS - len('sip:@h'))}@h",
        f"sip:a@h?X-A={'v' * (MAX_HEADER_CHARACTERS - len('X-A='))}",
    ],
)
def test_what_can_be_dialled_passes_unchanged(text: str) -> None:
    assert read_sip_uri("to", text) == text


def test_the_scheme_is_written_small() -> None:
    assert read_sip_uri("to", "SIPS:Alice@Example.com") == "sips:Alice@Example.com"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sip:", "no @"),
        ("sip:example.com", "no @"),
        ("sip:@h", "user part"),
        ("sip:a b@h", "user part"),
        ("sip:jörg@h", "user part"),
        ("sip:a%2@h", "user part"),
        ("sip:<a@h>", "user part"),
        ("sip:alice:secret@h", "password"),
        ("sip:a@", "host"),
        ("sip:a@-h", "host"),
        ("sip:a@h_h", "host"),
        ("sip:a@h..h", "host"),
        ("sip:a@h:", "host"),
        ("sip:a@h:x", "host"),
        ("sip:a@b@h", "host"),
        ("sip:a@ h", "host"),
        ("sip:a@h\r\n", "host"),
        ("sip:a@h:0", "port"),
        ("sip:a@h:65536", "port"),
        ("sip:a@h;", "parameter"),
        ("sip:a@h;=x", "parameter"),
        ("sip:a@h;x=a b", "parameter"),
        ("sip:a@h;lr;LR", "parameter"),
        ("sip:a@h;transport=ws", "transport"),
        ("sip:a@h;transport", "transport"),
        ("sip:a@h;secure=yes", "secure"),
        ("sip:a@h;transport=udp;secure=true", "contradicts secure=true"),
        ("sips:a@h;transport=tcp", "contradicts sips:"),
        ("sip:a@h?", "badly written"),
        ("sip:a@h?X-A", "badly written"),
        ("sip:a@h?X-A=a b", "badly written"),
        ("sip:a@h?X-A=<sip:b@h>", "badly written"),
        ("sip:a@h?Subject=x", "does not send"),
        ("sip:a@h?X-=x", "does not send"),
        ("sip:a@h?X-A%3A=x", "does not send"),
        ("sip:a@h?X-A=1%0D%0AX-B:2", "control character"),
        ("sip:a@h?X-A=%00", "control character"),
        (f"sip:{'u' * (MAX_URI_CHARACTERS + 1 - len('sip:@h'))}@h", "longer than 254"),
        (f"sip:a@h?X-A={'v' * (MAX_HEADER_CHARACTERS + 1 - len('X-A='))}", "longer than 1023"),
    ],
)
def test_what_cannot(text: str, fault: str) -> None:
    with pytest.raises(InvalidField, match=fault) as raised:
        read_sip_uri("phone_number", text)
    assert raised.value.field == "phone_number"
    assert raised.value.fix.endswith(".")


@given(st.text("sip:@;?&=%0dAX-.[]h1 \r\n", max_size=40) | st.text(max_size=20))
def test_whatever_passes_is_one_line_of_ascii(text: str) -> None:
    try:
        passed = read_sip_uri("to", f"sip:{text}")
    except InvalidField:
        return
    assert passed.isascii()
    assert passed.isprintable()
    assert " " not in passed
