from __future__ import annotations

from ipaddress import ip_network

import pytest

from bridge.carrier.call.request import Document
from bridge.carrier.sip.plan import Phone, Plan, Route, Trunk, document_of
from bridge.errors import CarrierRefused

URL = "http://127.0.0.1:5050/incoming-call"


def phone(user: str = "anna", number: str | None = None) -> Phone:
    return Phone.model_validate({"user": user, "password": "secret", "number": number})


def trunk(name: str = "office", **fields: object) -> Trunk:
    return Trunk.model_validate({"name": name, "host": "192.0.2.1", **fields})


def route(pattern: str) -> Route:
    return Route.model_validate({"pattern": pattern, "url": f"{URL}?{len(pattern)}"})


@pytest.mark.parametrize(
    ("pattern", "dialled", "fits"),
    [
        ("anna", "anna", True),
        ("anna", "Anna", False),
        ("anna", "annabel", False),
        ("+1555*", "+15551234567", True),
        ("+1555*", "+1444", False),
        ("*", "", True),
        ("*", "anything", True),
        ("/[0-9]{3}/", "123", True),
        ("/[0-9]{3}/", "1234", False),
        ("/", "/", True),
        ("*", "x" * 256, False),
    ],
)
def test_a_pattern_is_a_name_a_beginning_or_a_regular_expression(
    pattern: str, dialled: str, *, fits: bool
) -> None:
    assert (Plan(routes=[route(pattern)]).route_for(dialled) is not None) is fits


def test_the_first_route_that_matches_counts_and_an_address_is_routed_by_its_user() -> None:
    plan = Plan(routes=[route("sales"), route("s*")])
    assert plan.route_for("sales") == plan.routes[0]
    assert plan.route_for("sip:sales@here.example:5060;transport=tcp") == plan.routes[0]
    assert plan.route_for("support") == plan.routes[1]
    assert plan.route_for("anna") is None
    assert document_of(plan.routes[0]) == Document(url=plan.routes[0].url)


def test_a_phone_is_at_its_user_name_and_at_its_number() -> None:
    plan = Plan("pbx.example", phones=[phone(number="+15551230001"), phone("bob")])
    for address in (
        "sip:anna@localhost",
        "sip:anna@PBX.example:5060;transport=tls",
        "sips:anna@127.0.0.1?X-a=b",
        "+15551230001",
        "sip:+15551230001@pbx.example",
        "sip:%61nna@localhost",
    ):
        assert plan.phone_for(address) == "anna"
    for address in ("sip:carol@localhost", "sip:anna@elsewhere.example", "+15551230002", "anna", ""):
        assert plan.phone_for(address) is None
    assert plan.ha1_of("anna") == phone().ha1_at("pbx.example")
    assert plan.ha1_of("carol") is None


def test_the_longest_prefix_chooses_the_trunk_and_a_trunk_without_any_takes_the_rest() -> None:
    plan = Plan(
        trunks=[trunk("rest"), trunk("germany", prefixes=["+49"]), trunk("munich", prefixes=["+4989"])]
    )
    for number, name in (("+12025550123", "rest"), ("+4930123456", "germany"), ("+4989123456", "munich")):
        found = plan.trunk_for(number)
        assert found is not None
        assert found.name == name
    assert plan.trunk_for("sip:anna@localhost") is None
    assert Plan(trunks=[trunk(prefixes=["+49"])]).trunk_for("+12025550123") is None


def test_byoc_chooses_the_trunk_and_an_unknown_one_is_twilios_error() -> None:
    plan = Plan(trunks=[trunk("one"), trunk("two", sid="BY" + "2" * 32)])
    assert plan.trunk_for("+12025550123", "BY" + "2" * 32) == plan.trunks[1]
    assert plan.trunk_for("+12025550123", plan.trunks[0].sid) == plan.trunks[0]
    with pytest.raises(CarrierRefused) as refused:
        plan.trunk_for("+12025550123", "BY" + "3" * 32)
    assert (refused.value.code, refused.value.status) == (21300, 400)
    assert plan.trunk_sids == {plan.trunks[0].sid, "BY" + "2" * 32}


def test_anybody_on_this_machine_may_call_as_long_as_no_network_is_named() -> None:
    plan = Plan(trunks=[trunk()])
    assert plan.may_call("127.0.0.1")
    assert plan.may_call("::1")
    assert plan.may_call("::ffff:127.0.0.1")
    assert plan.may_call("192.0.2.1")  # the trunk
    for stranger in ("192.0.2.2", "10.0.0.1", "", "localhost"):
        assert not plan.may_call(stranger)


def test_named_networks_replace_this_machine() -> None:
    plan = Plan(allow=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
    assert plan.may_call("10.1.2.3")
    assert plan.may_call("fd00::1")
    assert plan.may_call("[fd00::1]")
    assert not plan.may_call("127.0.0.1")


def test_a_trunk_calls_from_its_networks_or_from_its_host() -> None:
    plan = Plan(
        trunks=[trunk("net", inbound=["198.51.100.0/28"]), trunk("name", host="pbx.example"), trunk("ip")]
    )
    for address, name in (("198.51.100.7", "net"), ("192.0.2.1", "ip"), ("::ffff:192.0.2.1", "ip")):
        found = plan.trunk_at(address)
        assert found is not None
        assert found.name == name
    assert plan.trunk_at("198.51.100.16") is None
    assert plan.trunk_at("pbx.example") is None


def test_numbers_that_may_call_are_those_of_phones_and_trunks() -> None:
    plan = Plan(phones=[phone(number="+15551230001")], trunks=[trunk(caller_ids=["+15551230000"])])
    assert plan.numbers == {"+15551230001", "+15551230000"}
