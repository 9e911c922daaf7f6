from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from bridge.carrier.sip.tables import Phone, Route, Trunk, named_twice

HA1 = "0123456789abcdef0123456789ABCDEF"


def test_an_ha1_is_the_hash_of_user_realm_and_password() -> None:
    phone = Phone.model_validate({"user": "anna", "password": "secret"})
    expected = hashlib.md5(b"anna:pbx.example:secret", usedforsecurity=False).hexdigest()
    assert phone.ha1_at("pbx.example") == expected
    assert Phone.model_validate({"user": "anna", "ha1": HA1}).ha1_at("anywhere") == HA1.lower()


def test_secrets_do_not_show() -> None:
    phone = Phone.model_validate({"user": "anna", "ha1": HA1})
    trunk = Trunk.model_validate({"name": "x", "host": "a.example", "username": "u", "password": "hidden"})
    assert HA1 not in repr(phone)
    assert "hidden" not in repr(trunk)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"user": "anna"}, "either ha1 or password"),
        ({"user": "anna", "ha1": HA1, "password": "x"}, "either ha1 or password"),
        ({"user": "anna", "ha1": "x"}, "32 hexadecimal digits"),
        ({"user": "anna", "password": ""}, "empty"),
        ({"user": "an na", "password": "x"}, "pattern"),
        ({"user": "anna", "password": "x", "number": "0123"}, "pattern"),
        ({"user": "anna", "pasword": "x"}, "Extra inputs"),
    ],
)
def test_a_phone_that_cannot_be_is_refused(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Phone.model_validate(fields)


def test_a_trunks_port_follows_its_transport_and_its_sid_its_name() -> None:
    one = Trunk.model_validate({"name": "office", "host": "pbx.example.com"})
    two = Trunk.model_validate({"name": "office", "host": "other.example", "transport": "tls"})
    assert (one.port, two.port) == (5060, 5061)
    assert one.sid == two.sid
    assert one.sid.startswith("BY")
    assert len(one.sid) == 34
    assert Trunk.model_validate({"name": "home", "host": "pbx.example.com"}).sid != one.sid
    assert not one.register


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"host": "a b"}, "neither a host name nor an IP address"),
        ({"host": "sip:a.example"}, "neither a host name nor an IP address"),
        ({"sid": "BY1"}, "pattern"),
        ({"transport": "ws"}, "'udp', 'tcp' or 'tls'"),
        ({"username": "u"}, "belong together"),
        ({"register": True}, "to register needs"),
        ({"prefixes": ["49"]}, "pattern"),
        ({"caller_ids": ["anna"]}, "pattern"),
        ({"inbound": ["10.0.0.1/8"]}, "host bits"),
        ({"port": 70_000}, "65535"),
    ],
)
def test_a_trunk_that_cannot_be_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Trunk.model_validate({"name": "office", "host": "a.example", **fields})


def test_hosts_may_be_addresses_of_both_families() -> None:
    for host in ("[2001:DB8::1]", "2001:db8::1"):
        assert Trunk.model_validate({"name": "x", "host": host}).host == "2001:db8::1"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pattern": "/(/", "url": "http://a.example/"}, "regular expression"),
        ({"pattern": "*", "url": "a.example"}, "absolute"),
        ({"pattern": "*", "url": "http://a.example/", "method": "PUT"}, "'GET' or 'POST'"),
        ({"pattern": "", "url": "http://a.example/"}, "at least 1"),
    ],
)
def test_a_route_that_cannot_be_is_refused(fields: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Route.model_validate(fields)


def test_names_numbers_and_sids_are_there_once() -> None:
    anna = Phone.model_validate({"user": "anna", "password": "x", "number": "+15551230001"})
    bob = Phone.model_validate({"user": "bob", "password": "x", "number": "+15551230001"})
    trunk = Trunk.model_validate({"name": "x", "host": "a.example"})
    same_sid = Trunk.model_validate({"name": "y", "host": "a.example", "sid": trunk.sid})
    assert named_twice([anna], [trunk]) is None
    assert "anna" in (named_twice([anna, anna], []) or "")
    assert "+15551230001" in (named_twice([anna, bob], []) or "")
    assert "called x" in (named_twice([], [trunk, trunk]) or "")
    assert trunk.sid in (named_twice([], [trunk, same_sid]) or "")


def test_a_trunk_shows_its_own_numbers_alone() -> None:
    fields = {"name": "x", "host": "a.example"}
    trunk = Trunk.model_validate({**fields, "caller_ids": ["+15551230000", "+15551230001"]})
    assert trunk.shown("+15551230001") == "+15551230001"
    assert trunk.shown("+12025550199") == "+15551230000"
    assert Trunk.model_validate(fields).shown("anna") == "anna"
