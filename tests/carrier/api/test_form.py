from __future__ import annotations

import pytest

from bridge.carrier.api.form import Form, is_url
from bridge.carrier.call.request import EVENTS
from bridge.errors import CarrierRefused


def test_empty_and_absent_are_the_same_and_the_last_value_wins() -> None:
    form = Form([("A", ""), ("B", "1"), ("B", "2")])
    assert form.get("A") is None
    assert form.get("C") is None
    assert (form.get("B"), form.all("B")) == ("2", ["1", "2"])


def test_methods() -> None:
    form = Form([("Get", "get"), ("Post", "POST"), ("Put", "PUT")])
    assert (form.method("Get"), form.method("Post"), form.method("Absent")) == ("GET", "POST", "POST")
    with pytest.raises(CarrierRefused) as refused:
        form.method("Put")
    assert (refused.value.code, refused.value.status) == (21209, 400)
    assert refused.value.more_info == "https://www.twilio.com/docs/errors/21209"


@pytest.mark.parametrize("value", ["0", "601", "1.5", "-1", "x", "６０", "9" * 30])
def test_numbers_out_of_range_are_refused(value: str) -> None:
    with pytest.raises(CarrierRefused, match="Invalid Timeout value") as refused:
        Form([("Timeout", value)]).whole("Timeout", 1, 600, 21208)
    assert refused.value.code == 21208


@pytest.mark.parametrize(
    ("values", "events"),
    [
        ([], {"completed"}),
        (["initiated", "answered"], {"initiated", "answered"}),
        (["initiated ringing answered completed"], set(EVENTS)),
        (["initiated, ringing"], {"initiated", "ringing"}),
        ([" completed "], {"completed"}),
    ],
)
def test_events_are_repeated_or_listed(values: list[str], events: set[str]) -> None:
    fields = [
        ("StatusCallback", "http://localhost/cb"),
        *(("StatusCallbackEvent", value) for value in values),
    ]
    form = Form(fields)
    callback = form.status_callback()
    assert callback is not None
    assert callback.events == events
    assert form.notes == []


def test_an_unknown_event_silences_the_callback_with_a_warning() -> None:
    form = Form([("StatusCallback", "http://localhost/cb"), ("StatusCallbackEvent", "answred")])
    callback = form.status_callback()
    assert callback is not None
    assert callback.events == frozenset()
    assert [code for code, _ in form.notes] == [21626]


@pytest.mark.parametrize("url", ["ftp://x/", "nonsense", "http://under_score.example/cb", "http://"])
def test_a_callback_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(CarrierRefused) as refused:
        Form([("StatusCallback", url)]).status_callback()
    assert refused.value.code == 21609


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("http://localhost:5050/x", True),
        ("https://u:p@a.example/x?y#ct=100", True),
        ("https://[::1]/", True),
        ("/relative", False),
        ("http://a.example:99999/", False),
        ("http://a b/", False),
        ("http://[::1", False),
        ("javascript:alert(1)", False),
    ],
)
def test_urls(text: str, *, fine: bool) -> None:
    assert is_url(text) is fine


def test_twiml_has_a_limit() -> None:
    assert Form([("Twiml", "x" * 4000)]).twiml() == "x" * 4000
    with pytest.raises(CarrierRefused) as refused:
        Form([("Twiml", "x" * 4001)]).twiml()
    assert refused.value.code == 32018
