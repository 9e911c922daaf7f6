"""REGISTER requests as phones send them, and what the registrar remembers of them."""

from __future__ import annotations

import pytest

from bridge.sip.hop import Hop
from bridge.sip.message import Request, Response, parse
from bridge.sip.registrar import Registrar

ROUTER = Hop("udp", "203.0.113.7", 40_000)
HERE = "sip:alice@192.168.1.7:5062"


def register(
    *contacts: str,
    cseq: int = 1,
    call_id: str = "1@phone",
    expires: str | None = None,
    to: str = "alice",
    agent: str | None = None,
) -> Request:
    lines = [
        "REGISTER sip:localhost SIP/2.0",
        "Via: SIP/2.0/UDP 192.168.1.7:5062;branch=z9hG4bKx",
        "Max-Forwards: 70",
        f"From: <sip:{to}@localhost>;tag=1",
        f"To: <sip:{to}@localhost>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *(f"Contact: {contact}" for contact in contacts),
    ]
    if expires is not None:
        lines.append(f"Expires: {expires}")
    if agent is not None:
        lines.append(f"User-Agent: {agent}")
    request = parse("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
    assert isinstance(request, Request)
    return request


def take(registrar: Registrar, request: Request, *, source: Hop = ROUTER, now_s: float = 0.0) -> Response:
    return registrar.register("alice", request, source=source, now_s=now_s)


def contacts(registrar: Registrar, now_s: float = 0.0) -> list[str]:
    return [binding.contact for binding in registrar.bindings("alice", now_s)]


def test_a_phone_is_registered_where_it_sent_from() -> None:
    registrar = Registrar()
    response = take(registrar, register(f"<{HERE}>", expires="300", agent="Phone/1.0"), now_s=100.0)
    assert (response.code, response.headers.getlist("Contact")) == (200, [f"<{HERE}>;expires=300"])
    [binding] = registrar.bindings("alice", 100.0)
    assert (binding.contact, binding.hop, binding.expires_s) == (HERE, ROUTER, 400.0)
    assert (binding.call_id, binding.cseq, binding.user_agent) == ("1@phone", 1, "Phone/1.0")
    assert registrar.users(399.9) == {"alice": [binding]}
    assert registrar.users(400.0) == {}


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        (f"<{HERE}>", None, 3600),
        (f"<{HERE}>", "120", 120),
        (f"<{HERE}>;expires=90", "120", 90),
        (f"<{HERE}>;expires=99999", None, 3600),
        (f"<{HERE}>;expires=4294967296000", None, 3600),
        (f"<{HERE}>;expires=soon", "120", 3600),
        (f"<{HERE}>;expires=60", None, 60),
    ],
)
def test_the_time_is_the_contacts_own_else_the_headers_else_an_hour(
    contact: str, header: str | None, granted: int
) -> None:
    response = take(Registrar(), register(contact, expires=header))
    assert response.headers["Contact"] == f"<{HERE}>;expires={granted}"


def test_too_short_a_time_is_refused_and_nothing_is_changed() -> None:
    registrar = Registrar()
    response = take(registrar, register("<sip:a@h1>;expires=300", "<sip:a@h2>;expires=59"))
    assert (response.code, response.phrase) == (423, "Interval Too Brief")
    assert response.headers["Min-Expires"] == "60"
    assert contacts(registrar) == []


def test_a_refresh_prolongs_and_moves_with_the_routers_port() -> None:
    registrar = Registrar()
    take(registrar, register(f"<{HERE}>"))
    moved = Hop("udp", "203.0.113.7", 41_000)
    take(registrar, register(f"<{HERE};rinstance=7>", cseq=2), source=moved, now_s=1800.0)
    [binding] = registrar.bindings("alice", 5000.0)
    assert (binding.hop, binding.cseq, binding.left_s(5000.0)) == (moved, 2, 400)


def test_without_contact_it_only_tells() -> None:
    registrar = Registrar()
    take(registrar, register("<sip:a@h1>", "<sip:a@h2>;q=0.5"))
    response = take(registrar, register(cseq=2), now_s=600.0)
    told = response.headers.getlist("Contact")
    assert (response.code, told) == (200, ["<sip:a@h1>;expires=3000", "<sip:a@h2>;expires=3000"])
    assert len(contacts(registrar)) == 2


def test_expires_0_removes_one_and_star_removes_all() -> None:
    registrar = Registrar()
    take(registrar, register("<sip:a@h1>", "<sip:a@h2>", "<sip:a@h3>"))
    take(registrar, register("<sip:a@h2>", cseq=2, expires="0"))
    assert contacts(registrar) == ["sip:a@h3", "sip:a@h1"]
    response = take(registrar, register("*", cseq=3, expires="0"))
    assert (response.code, response.headers.getlist("Contact")) == (200, [])
    assert contacts(registrar) == []


@pytest.mark.parametrize(
    "request_",
    [
        register(f"<{HERE}>", cseq=4),
        register(f"<{HERE}>", cseq=5),
        register("*", cseq=4, expires="0"),
        register("<sip:a@h9>", f"<{HERE}>", cseq=4, expires="0"),
    ],
)
def test_what_was_overtaken_on_its_way_changes_nothing(request_: Request) -> None:
    registrar = Registrar()
    take(registrar, register(f"<{HERE}>", cseq=5))
    assert take(registrar, request_, now_s=10.0).code == 500
    [binding] = registrar.bindings("alice", 10.0)
    assert (binding.contact, binding.cseq, binding.left_s(10.0)) == (HERE, 5, 3590)


def test_another_call_id_begins_the_order_anew() -> None:
    registrar = Registrar()
    take(registrar, register(f"<{HERE}>", cseq=50))
    assert take(registrar, register(f"<{HERE}>", cseq=1, call_id="2@phone")).code == 200
    assert take(registrar, register("*", cseq=1, call_id="3@phone", expires="0")).code == 200
    assert contacts(registrar) == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (register("*"), 400),
        (register("*", expires="60"), 400),
        (register("<tel:+12025550123>"), 400),
        (register(f"<{HERE}>", call_id="x" * 300), 400),
        (register(f"<{HERE}>", to="bob"), 403),
        (register(*(f"<sip:a@h{number}>" for number in range(11))), 403),
    ],
)
def test_what_may_not_be_is_refused(request_: Request, code: int) -> None:
    registrar = Registrar()
    take(registrar, register("<sip:a@kept>", call_id="0@phone"))
    response = take(registrar, request_)
    assert response.code == code
    assert registrar.users(0.0).keys() == {"alice"}
    assert contacts(registrar) == ["sip:a@kept"]


def test_star_beside_other_contacts_is_refused() -> None:
    registrar = Registrar()
    take(registrar, register(f"<{HERE}>"))
    request = register(f"<{HERE}>", cseq=2, expires="0")
    request.headers.add("Contact", "*")
    assert take(registrar, request).code == 400
    assert contacts(registrar) == [HERE]


def test_the_eleventh_takes_the_place_of_the_one_not_heard_of_for_longest() -> None:
    registrar = Registrar()
    for number in range(10):
        take(registrar, register(f"<sip:a@h{number}>", cseq=number + 1), now_s=float(number))
    take(registrar, register("<sip:a@h0>", cseq=11), now_s=10.0)
    take(registrar, register("<sip:a@h10>", cseq=12), now_s=11.0)
    assert contacts(registrar, 11.0) == [f"sip:a@h{number}" for number in (10, 0, 9, 8, 7, 6, 5, 4, 3, 2)]


def test_preference_comes_before_age() -> None:
    registrar = Registrar()
    take(registrar, register("<sip:a@low>;q=0.1", "<sip:a@old>;q=0.9", "<sip:a@new>;q=0.9"))
    assert contacts(registrar) == ["sip:a@new", "sip:a@old", "sip:a@low"]


def test_a_device_that_restarts_leaves_no_second_self() -> None:
    registrar = Registrar()
    device = '+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";reg-id={}'
    take(registrar, register(f"<sip:a@h:1001>;{device.format(1)}"))
    take(registrar, register(f"<sip:a@h:1002>;{device.format(1)}", call_id="2@phone"))
    take(registrar, register(f"<sip:a@h:1003>;{device.format(2)}", call_id="3@phone"))
    assert contacts(registrar) == ["sip:a@h:1003", "sip:a@h:1002"]


def test_a_connection_that_ends_takes_its_phones_along() -> None:
    registrar = Registrar()
    take(registrar, register("<sip:a@h1>"), source=Hop("tcp", "192.0.2.1", 5000, flow=1))
    take(registrar, register("<sip:a@h2>"), source=Hop("tls", "192.0.2.1", 5001, flow=2))
    take(registrar, register("<sip:a@h3>"))
    registrar.drop_flow(1)
    assert contacts(registrar) == ["sip:a@h3", "sip:a@h2"]
    registrar.drop_flow(2)
    registrar.drop_flow(3)
    assert contacts(registrar) == ["sip:a@h3"]


def test_a_source_is_known_to_the_letter_and_until_it_expires() -> None:
    registrar = Registrar()
    flow = Hop("tcp", "192.0.2.1", 5000, flow=1)
    take(registrar, register("<sip:a@h1>", expires="60"), source=flow)
    assert registrar.is_registered_source(flow) == "alice"
    assert registrar.is_registered_source(Hop("tcp", "192.0.2.1", 5000, flow=2)) is None
    assert registrar.is_registered_source(ROUTER) is None
    assert registrar.is_registered_source(flow, 60.0) is None
    assert registrar.is_registered_source(flow) is None  # the latest time it was told still counts


def test_what_a_phone_calls_itself_is_cut_and_made_harmless() -> None:
    registrar = Registrar()
    request = register(f"<{HERE}>")
    request.headers.set("User-Agent", "\x1b[31mEvil\x07" + "x" * 1000)
    take(registrar, request)
    [binding] = registrar.bindings("alice", 0.0)
    assert binding.user_agent.startswith("[31mEvilxxx")
    assert len(binding.user_agent) == 118
