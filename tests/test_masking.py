"""What logs may show of an address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.masking import mask_number


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+12025550123", "+1202•••0123"),
        ("+1 (202) 555-0123", "+1202•••0123"),
        ("12025550123", "1202•••0123"),
        ("+493012345", "+493•••345"),
        ("+123456789012345", "+1234•••2345"),
        ("110", "•••"),
        ("11234", "1•••4"),
        ("sip:jong-un@sip.linphone.org", "sip:j•••@sip.linphone.org"),
        ("SIPS:a@h;transport=tls", "SIPS:•••@h;transport=tls"),
        ("sip:+12025550123@h:5061", "sip:+1202•••0123@h:5061"),
        ("sip:1001@pbx", "sip:1•••@pbx"),
        ("sip:bob:secret@h", "sip:b•••@h"),
        ("client:alice", "client:a•••"),
        ("anonymous", "anonymous"),
        ("", ""),
        (
            "call CA0123456789 from +12025550123 to <sip:bob@h> took 12345678 ms",
            "call CA0123456789 from +1202•••0123 to <sip:b•••@h> took 12345678 ms",
        ),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_number(text) == masked


@given(st.text("+0123456789 -sip:@clent.•", max_size=40))
def test_masking_twice_changes_nothing(text: str) -> None:
    assert mask_number(mask_number(text)) == mask_number(text)


@given(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True))
def test_no_whole_number_survives(number: str) -> None:
    assert number not in mask_number(f"from {number}!")
    assert number[1:] not in mask_number(f"sip:{number}@h")
    assert number[1:] not in mask_number(number[1:])
