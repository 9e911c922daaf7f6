"""Whom a call may go to, and from whom."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.destination import Destination, Kind, read_caller, read_destination
from bridge.errors import InvalidField

EXAMPLES = [
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (example := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE))
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+12025550123", Destination("number", "+12025550123")),
        (" +1 (202) 555-0123\n", Destination("number", "+12025550123")),
        ("+49.30.901820", Destination("number", "+4930901820")),
        ("+390612345678", Destination("number", "+390612345678")),  # Italy keeps its zero
        ("sip:demo@localhost", Destination("sip", "sip:demo@localhost")),
        ("SIPS:a@h", Destination("sip", "sips:a@h")),
        ("Client:alice", Destination("client", "client:alice")),
        ("client:bob?order=42", Destination("client", "client:bob?order=42")),
    ],
)
def test_addresses(text: str, expected: Destination) -> None:
    assert read_destination("to", text) == expected


def test_the_metadata_has_examples() -> None:
    assert len(EXAMPLES) > 200


@given(st.sampled_from(EXAMPLES))
def test_every_countrys_mobile_numbers_pass_without_a_hint(number: str) -> None:
    assert read_destination("to", number) == Destination("number", number)


def test_an_unassigned_number_is_only_hinted_at() -> None:
    assert not phonenumbers.is_valid_number(phonenumbers.parse("+12005550123"))
    read = read_destination("to", "+12005550123")
    assert read.address == "+12005550123"
    assert read.hint is not None
    assert read.hint.startswith("to:")


@pytest.mark.parametrize(
    ("text", "fault", "fix"),
    [
        ("", "no phone number", "sip:name@"),
        ("hello", "no phone number", "sip:name@"),
        ("jong-un@sip.linphone.org", "no phone number", "Put sip: before it"),
        ("tel:+12025550123", "does not begin with", "tel:"),
        ("0012025550123", "does not begin with", "00"),
        ("2025550123", "does not begin with", r"\+12025550123"),
        (" 12025550123", "does not begin with", "%2B"),  # what becomes of a + in a form
        ("911", "does not begin with", "E.164"),
        ("+", "no phone number", "E.164"),
        ("+1800FLOWERS", "digits only", "E.164"),
        ("+12025550123 ext 5", "digits only", "E.164"),
        ("++12025550123", "digits only", "E.164"),
        ("+１２０２５５５０１２３", "digits only", "E.164"),
        ("+1202555", "too short", "E.164"),
        ("+120255501234", "too long", "E.164"),
        ("+999123456789", "country code", "E.164"),
        ("+0123456789", "country code", "E.164"),
        ("+" + "1" * 400, "number", "E.164"),
        ("sip:demo", "no @", "sip:name@"),
        ("client:", "client's name", "client:alice"),
        ("client:a b", "client's name", "client:alice"),
        ("client:" + "a" * 122, "client's name", "client:alice"),
    ],
)
def test_what_is_no_address(text: str, fault: str, fix: str) -> None:
    with pytest.raises(InvalidField, match=fix) as raised:
        read_destination("phone_number", text)
    assert fault in raised.value.fault
    assert raised.value.field == "phone_number"


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("+1 202 555 0123", "number", "+12025550123"),
        ("+12025550123", "sip", "+12025550123"),
        ("reception_1.a-b+c", "sip", "reception_1.a-b+c"),
        ("client:alice", "client", "client:alice"),
        ("alice", "client", "alice"),
    ],
)
def test_callers(text: str, kind: Kind, address: str) -> None:
    assert read_caller("from", text, kind).address == address


@pytest.mark.parametrize(
    ("text", "kind", "fault"),
    [
        ("reception", "number", "only be called from a phone number"),
        ("+1202", "number", "impossible"),
        ("sip:a@h", "sip", "only letters"),
        ("client:alice", "sip", "only letters"),
        ("a b", "client", "only letters"),
        ("", "sip", "only letters"),
        ("a" * 122, "sip", "only letters"),
    ],
)
def test_whom_nobody_can_be_called_from(text: str, kind: Kind, fault: str) -> None:
    with pytest.raises(InvalidField, match=fault):
        read_caller("from", text, kind)


@given(st.text("+0123456789 ().-sip:@", max_size=30) | st.text(max_size=20))
def test_any_text_is_an_address_or_an_invalid_field(text: str) -> None:
    try:
        read = read_destination("to", text)
    except InvalidField:
        return
    if read.kind == "number":
        assert read_destination("to", read.address) == read
