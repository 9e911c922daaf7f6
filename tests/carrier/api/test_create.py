from __future__ import annotations

import pytest

from bridge.carrier.api.create import read_create
from bridge.carrier.call.request import MachineDetection, SipLogin, StatusCallback
from bridge.errors import CarrierRefused

SIP = {"To": "sip:demo@localhost", "From": "bridge", "Twiml": "<Response/>"}
NUMBER = {"To": "+12025550123", "From": "+15005550006", "Twiml": "<Response/>"}


def read(basis: dict[str, str], **fields: str | None) -> object:
    merged = {**basis, **fields}
    return read_create([(name, value) for name, value in merged.items() if value is not None])


def code_of(basis: dict[str, str], **fields: str | None) -> int | None:
    with pytest.raises(CarrierRefused) as refused:
        read(basis, **fields)
    assert refused.value.status == 400
    assert str(refused.value)
    return refused.value.code


def test_the_defaults_are_twilios() -> None:
    request = read_create(list(SIP.items()))
    assert (request.timeout_s, request.time_limit_s, request.send_digits) == (60, 14_400, "")
    assert (request.document.twiml, request.document.url, request.document.method) == (
        "<Response/>",
        None,
        "POST",
    )
    assert request.status_callback is None
    assert request.machine_detection is None
    assert request.sip is not None
    assert request.sip.domain == "localhost"
    assert request.notes == ()


def test_everything_is_read() -> None:
    request = read_create(
        [
            *NUMBER.items(),
            ("Url", "http://localhost/voice"),
            ("Method", "GET"),
            ("FallbackUrl", "http://localhost/fallback"),
            ("FallbackMethod", "GET"),
            ("StatusCallback", "http://localhost/cb"),
            ("StatusCallbackMethod", "GET"),
            ("StatusCallbackEvent", "ringing"),
            ("StatusCallbackEvent", "completed"),
            ("Timeout", "600"),
            ("TimeLimit", "30"),
            ("CallerId", "+12025550199"),
            ("MachineDetection", "DetectMessageEnd"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", "http://localhost/amd"),
        ]
    )
    document = request.document
    assert (document.url, document.method) == ("http://localhost/voice", "GET")
    assert (document.fallback_url, document.fallback_method) == ("http://localhost/fallback", "GET")
    assert request.status_callback == StatusCallback(
        "http://localhost/cb", "GET", frozenset({"ringing", "completed"})
    )
    assert (request.timeout_s, request.time_limit_s, request.caller_id) == (600, 30, "+12025550199")
    assert request.machine_detection == MachineDetection("DetectMessageEnd", "http://localhost/amd")
    assert request.sip is None
    assert [code for code, _ in request.notes] == [32019]  # Url beats Twiml


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21201),
        ({"To": "hello"}, 21211),
        ({"To": "+1"}, 21211),
        ({"To": "15005550006"}, 21211),
        ({"To": "+1202555012"}, 21217),
        ({"To": "+15005550001"}, 21217),
        ({"To": "+15005550002"}, 21214),
        ({"To": "+15005550003"}, 21215),
        ({"To": "+15005550004"}, 21216),
        ({"To": "+15005550006"}, 21211),
        ({"From": ""}, 21213),
        ({"From": "+15005550001"}, 21212),
        ({"From": "bridge"}, 21212),
        ({"From": "+12025550199"}, 21210),
        ({"Twiml": None}, 21205),
        ({"Url": "localhost/voice"}, 21205),
        ({"Method": "PUT"}, 21209),
        ({"FallbackUrl": "x"}, 21205),
        ({"FallbackMethod": "x"}, 21209),
        ({"Twiml": "x" * 4001}, 32018),
        ({"ApplicationSid": "AP" + "0" * 32}, 21218),
        ({"StatusCallback": "x"}, 21609),
        ({"SendDigits": "12e"}, 21206),
        ({"SendDigits": "1" * 33}, 21206),
        ({"Timeout": "601"}, 21208),
        ({"Timeout": "0"}, 21208),
        ({"TimeLimit": "0"}, 13216),
        ({"MachineDetection": "Maybe"}, 21234),
        ({"MachineDetectionTimeout": "2"}, 21234),
        ({"MachineDetectionTimeout": "60"}, 21234),
        ({"MachineDetectionSpeechThreshold": "999"}, 21234),
        ({"MachineDetectionSpeechEndThreshold": "5001"}, 21234),
        ({"MachineDetectionSilenceTimeout": "1999"}, 21234),
        ({"AsyncAmd": "yes"}, 21234),
        ({"MachineDetection": "Enable", "AsyncAmd": "true"}, 21262),
    ],
)
def test_what_twilio_refuses(fields: dict[str, str | None], code: int) -> None:
    assert code_of(NUMBER, **fields) == code


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": "sip:demo@"}, 21211),
        ({"To": "sip:a b@localhost"}, 21211),
        ({"To": "sip:" + "a" * 252 + "@localhost"}, 21211),
        ({"To": "sip:demo@localhost?X-a=" + "b" * 1024}, 21227),
        ({"From": "two words"}, 21212),
        ({"SipAuthUsername": "u" * 256, "SipAuthPassword": "p"}, 21221),
        ({"SipAuthUsername": "a b", "SipAuthPassword": "p"}, 21222),
        ({"SipAuthUsername": "u", "SipAuthPassword": "p" * 256}, 21223),
        ({"SipAuthUsername": "u", "SipAuthPassword": "ü"}, 21224),
        ({"SipAuthUsername": "u"}, 21225),
        ({"To": "sip:demo@localhost?Via=x"}, 21228),
        ({"To": "sip:demo@localhost?X-a=b%0d%0aVia:x"}, 21229),
    ],
)
def test_what_twilio_refuses_of_sip(fields: dict[str, str | None], code: int) -> None:
    assert code_of(SIP, **fields) == code


@pytest.mark.parametrize(
    "to", ["sip:demo@localhost", "sips:demo@[::1]:5061;transport=tls?X-a=b", "client:demo", "sip:localhost"]
)
def test_addresses_that_are_no_numbers_may_be_called_by_anybody(to: str) -> None:
    assert read_create([("To", to), ("From", "any.body-1_2+3"), ("Url", "http://localhost/")]).to == to


def test_numbers_are_taken_with_the_usual_ornaments() -> None:
    fields = [*NUMBER.items(), ("To", "+1 (202) 555-0123")]
    assert read_create(fields).to == "+12025550123"


def test_other_numbers_can_be_owned() -> None:
    fields = [*NUMBER.items(), ("From", "+12025550199")]
    assert read_create(fields, {"+12025550199"}).from_ == "+12025550199"


def test_a_trunk_is_asked_for_by_its_sid() -> None:
    sid = "BY" + "1" * 32
    fields = [*NUMBER.items(), ("Byoc", sid)]
    assert read_create(fields, trunk_sids=[sid]).byoc == sid
    for wrong in (sid, "BY1"):
        with pytest.raises(CarrierRefused) as refused:
            read_create([*NUMBER.items(), ("Byoc", wrong)], trunk_sids=["BY" + "2" * 32])
        assert refused.value.code == 21300


def test_login_and_headers_of_a_sip_address_reach_the_request() -> None:
    to = "sip:demo@localhost;transport=tcp?X-Order=4%202&User-to-User=0A"
    request = read_create(
        [*SIP.items(), ("To", to), ("SipAuthUsername", "anna"), ("SipAuthPassword", "hidden")]
    )
    assert request.to == to
    assert request.sip_headers == (("X-Order", "4 2"), ("User-to-User", "0A"))
    assert request.sip_login == SipLogin("anna", "hidden")
    assert "hidden" not in repr(request)
    number = read_create([*NUMBER.items(), ("SipAuthUsername", "anna"), ("SipAuthPassword", "hidden")])
    assert number.sip_login is None
    assert "SIP address" in number.notes[0][1]


def test_what_is_accepted_but_does_nothing_is_noted() -> None:
    request = read_create(
        [
            *SIP.items(),
            ("Record", "true"),
            ("CallReason", "because"),
            ("Byoc", "BY" + "0" * 32),
            ("SendDigits", "1"),
            ("MachineDetection", "Enable"),
        ]
    )
    notes = [note.partition(":")[0] for _, note in request.notes]
    assert notes == ["Record", "CallReason", "Byoc", "MachineDetection is ignored together with SendDigits"]
    assert request.machine_detection is None
    assert read_create([*SIP.items(), ("Record", "false")]).notes == ()
