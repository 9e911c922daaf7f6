"""Signatures, against Twilio's published vector and the validator in its own helper library."""

from __future__ import annotations

from hashlib import sha256
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bridge.twilio.signature import is_signed, is_signed_body, sign, url_candidates

TOKEN = "12345"
SOCKET = "wss://bridge.example.com/media-stream"

# https://www.twilio.com/docs/usage/security#validating-requests
DOCUMENTED_URL = "https://example.com/myapp.php?foo=1&bar=2"
DOCUMENTED_FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
forms = st.lists(st.tuples(names, names), max_size=6)


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (DOCUMENTED_URL, DOCUMENTED_FORM, "L/OH5YylLD5NRKLltdqwSvS0BnU="),
        (SOCKET, [], "VI9ej9ea3XwYotvICMoCR5PThYA="),
        (f"{SOCKET}/", [], "cqSp4sENsUimjXHvwr/JyHT2cuM="),
        ("https://bridge.example.com/media-stream", [], "47kYEypdXmjANf7gFitPoXdc7fs="),
    ],
)
def test_known_signatures(url: str, form: list[tuple[str, str]], signature: str) -> None:
    assert sign(TOKEN, url, form) == signature
    assert is_signed(TOKEN, url_candidates(url), form, signature)


@given(forms)
def test_signs_what_the_helper_validates(form: list[tuple[str, str]]) -> None:
    url = "https://example.com/hook"
    assert RequestValidator(TOKEN).validate(url, MultiDict(form), sign(TOKEN, url, form))


@given(forms)
def test_accepts_what_the_helper_signs(form: list[tuple[str, str]]) -> None:
    signature = RequestValidator(TOKEN).compute_signature(DOCUMENTED_URL, MultiDict(form))
    assert is_signed(TOKEN, url_candidates(DOCUMENTED_URL), form, signature)


def test_order_and_repetition_of_fields_do_not_matter_but_their_values_do() -> None:
    form = [("b", "2"), ("a", "1"), ("a", "0"), ("a", "1")]
    assert sign(TOKEN, SOCKET, form) == sign(TOKEN, SOCKET, [("a", "0"), ("a", "1"), ("b", "2")])
    assert sign(TOKEN, SOCKET, form) != sign(TOKEN, SOCKET, [("a", "1"), ("b", "2")])


def test_values_are_neither_trimmed_nor_decoded_again() -> None:
    form = parse_qsl("Body=+a%2520b+&Empty=", keep_blank_values=True)
    assert sign(TOKEN, "https://h/", form) == RequestValidator(TOKEN).compute_signature(
        "https://h/", {"Body": " a%20b ", "Empty": ""}
    )


def test_names_sort_by_code_point_not_by_alphabet() -> None:
    url = "https://h/x"
    assert sign(TOKEN, url, [("a", "1"), ("B", "2")]) == sign(TOKEN, f"{url}B2a1")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SOCKET, [SOCKET, "wss://bridge.example.com:443/media-stream", f"{SOCKET}/"]),
        ("wss://h:443/s/", ["wss://h/s/", "wss://h:443/s/", "wss://h/s", "wss://h:443/s"]),
        ("ws://localhost:5050/s", ["ws://localhost:5050/s", "ws://localhost:5050/s/"]),
        ("wss://h:8443/s", ["wss://h/s", "wss://h:8443/s"]),
        ("https://h:8443/s?a=1", ["https://h/s?a=1", "https://h:8443/s?a=1"]),
        ("https://h/s", ["https://h/s", "https://h:443/s"]),
        ("http://h:5050/s", ["http://h:5050/s", "http://h/s"]),
        ("https://u:p@h/s#rc=2", ["https://h/s", "https://h:443/s"]),
        ("https://h", ["https://h", "https://h/"]),
        ("https://h/?a=1", ["https://h/?a=1", "https://h?a=1"]),
        ("http://[::1]:5050/s", ["http://[::1]:5050/s", "http://[::1]/s"]),
        ("http://[::1]/s", ["http://[::1]/s", "http://[::1]:80/s"]),
        ("https://Mixed.Example.com/S", ["https://Mixed.Example.com/S"]),
    ],
)
def test_candidates(url: str, expected: list[str]) -> None:
    candidates = url_candidates(url)
    assert candidates[0] == expected[0]
    assert set(expected) <= set(candidates)
    assert len(set(candidates)) == len(candidates)


@pytest.mark.parametrize("url", ["https://h/s", "https://h:8443/s", "wss://h/s", "http://h/s"])
def test_no_candidate_changes_scheme(url: str) -> None:
    assert {candidate.partition(":")[0] for candidate in url_candidates(url)} == {url.partition(":")[0]}


def test_an_http_signature_is_refused_for_an_https_url() -> None:
    for plain in url_candidates("http://h/s"):
        assert not is_signed(TOKEN, url_candidates("https://h/s"), (), sign(TOKEN, plain))


def test_only_a_wss_signature_opens_the_socket() -> None:
    https = SOCKET.replace("wss", "https")
    assert not is_signed(TOKEN, url_candidates(SOCKET), (), sign(TOKEN, https))


def test_slash_only_varies_where_twilio_varies_it() -> None:
    assert not is_signed(TOKEN, url_candidates("https://h/s"), (), sign(TOKEN, "https://h/s/"))
    assert is_signed(TOKEN, url_candidates("wss://h/s"), (), sign(TOKEN, "wss://h:443/s/"))


def test_get_signs_its_query_and_nothing_else() -> None:
    url = "https://h/s?CallSid=CA1&To=%2B1"
    assert is_signed(TOKEN, url_candidates(url), (), RequestValidator(TOKEN).compute_signature(url, {}))
    assert not is_signed(TOKEN, url_candidates(url.replace("CA1", "CA2")), (), sign(TOKEN, url))


@pytest.mark.parametrize("signature", [None, "", "x", "VI9ej9ea3XwYotvICMoCR5PThYA", "é", "\ud800"])
def test_wrong_signatures(signature: str | None) -> None:
    assert not is_signed(TOKEN, url_candidates(SOCKET), (), signature)


def test_an_empty_token_signs_nothing() -> None:
    assert not is_signed("", [SOCKET], (), sign("", SOCKET))


def test_half_a_surrogate_pair_in_the_form_is_a_wrong_signature_not_a_failure() -> None:
    assert not is_signed(TOKEN, [SOCKET], [("a", "\ud800")], "x")


@given(st.text(max_size=40))
def test_any_text_has_candidates(text: str) -> None:
    assert url_candidates(text)


class TestBody:
    body = b'{"event": "x"}'

    def url(self, digest: str) -> str:
        return f"https://h/s?a=1&bodySHA256={digest}"

    def test_agrees_with_the_helper(self) -> None:
        url = self.url(sha256(self.body).hexdigest())
        signature = sign(TOKEN, url)
        assert RequestValidator(TOKEN).validate(url, self.body.decode(), signature)
        assert is_signed_body(TOKEN, url_candidates(url), self.body, signature)

    def test_another_body_is_refused(self) -> None:
        url = self.url(sha256(self.body).hexdigest())
        assert not is_signed_body(TOKEN, url_candidates(url), self.body + b" ", sign(TOKEN, url))

    def test_a_right_digest_does_not_replace_the_signature(self) -> None:
        url = self.url(sha256(self.body).hexdigest())
        assert not is_signed_body(TOKEN, url_candidates(url), self.body, sign(TOKEN, "https://h/s"))

    @pytest.mark.parametrize("query", ["", "?a=1", "?bodySHA256=é", "?bodySHA256=x&bodySHA256=y"])
    def test_without_one_digest_nothing_vouches_for_the_body(self, query: str) -> None:
        url = f"https://h/s{query}"
        assert not is_signed_body(TOKEN, [url], self.body, sign(TOKEN, url))
