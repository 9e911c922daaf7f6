"""Digest headers read and written, and the arithmetic against worked examples of others."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import DigestUnsupported
from bridge.sip.digest import ha1
from bridge.sip.digest_value import MAX_CHARACTERS, digest_response, read_digest, spell_digest


def test_a_quoted_comma_and_an_escaped_quote_belong_to_the_value() -> None:
    value = 'digest realm="a \\"b\\", c",qop="auth,auth-int" , nonce = "n\\\\" , algorithm=MD5,,stale=true'
    assert read_digest(value) == {
        "realm": 'a "b", c',
        "qop": "auth,auth-int",
        "nonce": "n\\",
        "algorithm": "MD5",
        "stale": "true",
    }


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer realm=x", "", "Digestive realm=x"])
def test_another_scheme_is_nobodys_fault(value: str) -> None:
    assert read_digest(value) is None


@pytest.mark.parametrize(
    "value",
    [
        'Digest realm="open',
        "Digest realm",
        "Digest =x",
        'Digest realm="a" nonce="b"',
        'Digest realm="a", realm="b"',
        'Digest realm="a\r\nX: y"',
        "Digest realm=\udcff",
        f'Digest realm="{"a" * MAX_CHARACTERS}"',
    ],
)
def test_what_is_malformed_is_refused(value: str) -> None:
    with pytest.raises(DigestUnsupported):
        read_digest(value)


@given(st.text(max_size=200))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with suppress(DigestUnsupported):
        assert isinstance(read_digest(f"Digest {text}"), dict)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), st.from_regex(r"[ -~é]{0,20}", fullmatch=True)
    )
)
def test_what_is_written_is_read_the_same(directives: dict[str, str]) -> None:
    quoted = {name: text for name, text in directives.items() if name not in {"algorithm", "nc", "stale"}}
    assert read_digest(spell_digest(quoted.items())) == quoted


def test_a_long_run_of_backslashes_is_read_in_no_time() -> None:
    with pytest.raises(DigestUnsupported):
        read_digest('Digest realm="' + "\\" * (MAX_CHARACTERS - 20))


@pytest.mark.parametrize("algorithm", ["MD5", "md5-SESS"])
def test_the_stored_hash_is_that_of_rfc_2617(algorithm: str) -> None:
    stored = ha1("Mufasa", "testrealm@host.com", "Circle Of Life", algorithm)
    assert stored == "939e7578ed9e3c518a452acee763bce9"


def test_an_unknown_algorithm_is_refused_by_name() -> None:
    with pytest.raises(DigestUnsupported, match="'SHA-512-256' is not known"):
        ha1("a", "b", "c", "SHA-512-256")


RFC_2617 = {
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "uri": "/dir/index.html",
    "qop": "auth",
    "nc": "00000001",
    "cnonce": "0a4f113b",
}


def test_rfc_2617_section_3_5() -> None:
    login = ha1("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert digest_response(login, RFC_2617, method="GET") == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize("name", ["nonce", "uri", "nc", "cnonce"])
def test_what_is_missing_is_named(name: str) -> None:
    left = {key: value for key, value in RFC_2617.items() if key != name}
    with pytest.raises(DigestUnsupported, match=f"lacks {name}"):
        digest_response("0" * 32, left, method="GET")
