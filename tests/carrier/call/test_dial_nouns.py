from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.dial_nouns import DialReader, Noun
from bridge.carrier.call.request import CallRequest, Document, SipLogin, StatusCallback
from bridge.carrier.phone import speech
from bridge.carrier.phone.line import Line
from bridge.carrier.webhook.script import Script
from bridge.twilio.twiml import parse


class Silent:
    """A stage on which nothing is heard."""

    def __init__(self) -> None:
        request = CallRequest(to="+15005550006", from_="+12025550199", document=Document())
        now = datetime(2026, 1, 1, tzinfo=UTC)
        self.call = CarrierCall(request, account_sid="AC", direction="inbound", created=now)

    @property
    def line(self) -> Line:
        raise AssertionError("reading needs no audio")

    async def answer(self) -> None:
        raise AssertionError("reading answers nobody")


def read(dial: str) -> tuple[DialReader, list[Noun], list[int | None]]:
    stage = Silent()
    [verb] = parse(f"<Response>{dial}</Response>").children
    reader = DialReader(stage, verb, Script(url="http://a.example/voice"))
    nouns = reader.nouns()
    return reader, nouns, [alert.code for alert in stage.call.alerts]


def test_the_defaults_are_twilios() -> None:
    reader, [noun], warned = read("<Dial>+1 (202) 555-0123</Dial>")
    assert not reader.hang_up_on_star
    assert not reader.answer_on_bridge
    request = noun.request
    assert (request.to, request.from_) == ("+12025550123", "+12025550199")
    assert (request.timeout_s, request.time_limit_s) == (30, 14_400)
    assert (request.status_callback, request.byoc, request.sip) == (None, None, None)
    assert warned == []


def test_everything_of_a_sip_noun_is_read() -> None:
    dial = (
        '<Dial timeout="7" timeLimit="60" callerId="front.desk" hangupOnStar="true" answerOnBridge="true">'
        '<Sip username="anna" password="secret" statusCallback="/cb"'
        ' statusCallbackEvent="initiated completed"'
        ' statusCallbackMethod="GET">'
        "sip:bob@pbx.example:5061;transport=tls?X-a=b%20c&amp;User-to-User=1</Sip>"
        "</Dial>"
    )
    reader, [noun], warned = read(dial)
    request = noun.request
    assert reader.hang_up_on_star
    assert reader.answer_on_bridge
    assert (request.timeout_s, request.time_limit_s, request.from_) == (7, 60, "front.desk")
    assert request.sip_login == SipLogin("anna", "secret")
    assert "secret" not in repr(noun)
    assert request.sip_headers == (("X-a", "b c"), ("User-to-User", "1"))
    assert request.sip is not None
    assert request.sip.domain == "pbx.example"
    events = frozenset({"initiated", "completed"})
    assert request.status_callback == StatusCallback("http://a.example/cb", "GET", events)  # type: ignore[arg-type]
    assert warned == []


def test_a_number_has_its_trunk_and_its_digits() -> None:
    byoc = "BY" + "0" * 32
    _, [noun], _ = read(f'<Dial><Number byoc="{byoc}" sendDigits="1w2">+12025550123</Number></Dial>')
    assert noun.request.byoc == byoc
    assert noun.opening == speech.digits("1w2")


def test_clients_and_addresses_without_scheme_are_called() -> None:
    _, nouns, warned = read("<Dial><Client>demo</Client><Sip>demo@localhost</Sip></Dial>")
    assert [noun.request.to for noun in nouns] == ["client:demo", "sip:demo@localhost"]
    assert warned == []


@pytest.mark.parametrize(
    ("dial", "code"),
    [
        ("<Dial>hello</Dial>", 13224),
        ("<Dial>2025550123</Dial>", 13224),
        ('<Dial callerId="two words">+12025550123</Dial>', 13214),
        ('<Dial callerId="anna">+12025550123</Dial>', 13214),
        ("<Dial><Sip>sip:@</Sip></Dial>", 13243),
        ("<Dial><Sip>sip:a@b.example?Via=evil</Sip></Dial>", 13252),
        ("<Dial><Sip>sip:a@b.example?X-a=b%0d%0aEvil:%201</Sip></Dial>", 32112),
        (f"<Dial><Sip>sip:a@b.example?X-a={'b' * 1024}</Sip></Dial>", None),
    ],
)
def test_what_cannot_be_called_warns_and_rings_nobody(dial: str, code: int | None) -> None:
    _, nouns, warned = read(dial)
    assert nouns == []
    assert warned == [code]


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ('timeout="soon"', 13212),
        ('timeLimit="0"', 13216),
        ('hangupOnStar="yes"', 13213),
        ('answerOnBridge="1"', 12200),
        ('record="record-from-answer"', None),
    ],
)
def test_odd_attributes_warn_and_the_default_counts(attribute: str, code: int | None) -> None:
    _, [noun], warned = read(f"<Dial {attribute}>+12025550123</Dial>")
    assert warned == [code]
    assert (noun.request.timeout_s, noun.request.time_limit_s) == (30, 14_400)


def test_ten_phones_ring_and_other_nouns_are_named() -> None:
    _, nouns, warned = read(f"<Dial>{'<Sip>a@b.example</Sip>' * 11}<Conference>x</Conference></Dial>")
    assert len(nouns) == 10
    assert warned == [None, None]


def test_half_a_login_is_left_out() -> None:
    _, [noun], warned = read('<Dial><Sip username="anna">sip:a@b.example</Sip></Dial>')
    assert noun.request.sip_login is None
    assert warned == [None]


def test_nobody_rings_longer_than_ten_minutes() -> None:
    _, [noun], _ = read('<Dial timeout="9999">+12025550123</Dial>')
    assert noun.request.timeout_s == 600
