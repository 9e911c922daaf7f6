from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sip.contact import MAX_CHARACTERS, Contact, is_same_uri, read_contacts


@pytest.mark.parametrize(
    ("value", "contacts"),
    [
        ("<sip:alice@192.0.2.1:5062>", [Contact("sip:alice@192.0.2.1:5062")]),
        ("sip:alice@192.0.2.1;expires=60", [Contact("sip:alice@192.0.2.1", "60")]),
        ("<sip:a@h;transport=tcp>;q=0.5;Expires=7", [Contact("sip:a@h;transport=tcp", "7", 0.5)]),
        (
            '"Bob, <b>" <sip:b@pbx1>;q=0.7 , Alice <sips:a@[2001:db8::1]:5061>',
            [Contact("sip:b@pbx1", q=0.7), Contact("sips:a@[2001:db8::1]:5061")],
        ),
        (
            '<sip:a@h;ob>;+sip.instance="<urn:uuid:0-1>";reg-id=1 ; expires = 300',
            [Contact("sip:a@h;ob", "300", instance="<urn:uuid:0-1>;1")],
        ),
        ("<sip:h>;q=2", [Contact("sip:h")]),
        ("<sip:h>;q=1.9", [Contact("sip:h")]),
        ("<sip:a;x=1/2?3@my_host.invalid>", [Contact("sip:a;x=1/2?3@my_host.invalid")]),
    ],
)
def test_contacts_as_phones_write_them(value: str, contacts: list[Contact]) -> None:
    assert read_contacts([value]) == contacts


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "malformed"),
        ("<sip:h", "malformed"),
        ("<sip:h> x", "malformed"),
        ('"open <sip:h>', "malformed"),
        ("<sip:h>;;q=1", "malformed"),
        ("*", "not a SIP URI"),
        ("<tel:+12025550123>", "not a SIP URI"),
        ("<sip:a\x1b[2J@h>", "not a SIP URI"),
        ("<sip:h:123456>", "not a SIP URI"),
        (f"<sip:{'a' * 600}@h>", "too long"),
        (f"<sip:h>;x={'a' * MAX_CHARACTERS}", "too long"),
    ],
)
def test_what_cannot_be_called_is_refused_with_a_reason(value: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_contacts([value])


@given(st.text('<>"\\;,=? \tsip:a@h', max_size=60))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(ValueError):
        assert all(contact.uri.lower().startswith("sip") for contact in read_contacts([text]))


@pytest.mark.parametrize("text", ['"\\', "<sip:h>;a", "a ", "<sip:h>; ", ";a= ", "<sip:h>;a ;"])
def test_what_is_long_and_wrong_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        read_contacts([(text * MAX_CHARACTERS)[: MAX_CHARACTERS - 1] + '"'])


SAME = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    ("sip:a@h;x=1;y=2", "sip:a@h;y=2;x=1"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@h", "sips:a@h"),
    ("sip:a@h", "sip:h"),
    ("sip:a@h", "broken"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_rfc_3261_section_19_1_4_same(one: str, other: str) -> None:
    assert is_same_uri(one, other)
    assert is_same_uri(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_rfc_3261_section_19_1_4_different(one: str, other: str) -> None:
    assert not is_same_uri(one, other)
    assert not is_same_uri(other, one)
