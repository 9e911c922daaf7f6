"""Our answers to challenges: worked examples of the standards, and clients that others wrote."""

from __future__ import annotations

import aiohttp
import httpx
import pytest
from aiohttp import web

from bridge.errors import DigestUnsupported
from bridge.sip.digest import Credentials, best_challenge, ha1
from bridge.sip.digest_value import digest_response, read_digest

NONCE = 'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
BILOXI = f'Digest realm="biloxi.com", {NONCE}, opaque="5ccc069c403ebaf9f0171e9517f40e41"'
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
RFC_7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def directives(header: str) -> dict[str, str]:
    read = read_digest(header)
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    header = Credentials("Mufasa", "Circle of Life").answer(
        RFC_7616.format(algorithm), method="GET", uri="/dir/index.html", cnonce=RFC_7616_CNONCE
    )
    assert directives(header) == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": RFC_7616_CNONCE,
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


@pytest.mark.parametrize(
    ("more", "response"),
    [
        ("", "bf57e4e0d0bffc0fbaedce64d59add5e"),
        (', qop="auth,auth-int"', "89eb0059246c02b2f6ee02c7961d5ea3"),
        (', qop="auth,auth-int", algorithm=MD5', "89eb0059246c02b2f6ee02c7961d5ea3"),
        (', qop="auth,auth-int", algorithm=MD5-sess', "e4e4ea61d186d07a92c9e1f6919902e9"),
    ],
)
def test_the_sip_examples_of_draft_smith_sipping_auth_examples_01(more: str, response: str) -> None:
    header = Credentials("bob", "zanzibar").answer(
        BILOXI + more, method="INVITE", uri="sip:bob@biloxi.com", cnonce="0a4f113b"
    )
    assert directives(header)["response"] == response
    assert ("qop" in directives(header)) == ("qop" in more)


def test_a_session_without_qop_sends_the_cnonce_its_key_was_made_with() -> None:
    header = Credentials("bob", "zanzibar").answer(
        f"{BILOXI}, algorithm=MD5-sess", method="INVITE", uri="sip:bob@biloxi.com", cnonce="0a4f113b"
    )
    login = ha1("bob", "biloxi.com", "zanzibar")
    expected = digest_response(login, directives(header), method="INVITE")
    assert directives(header)["cnonce"] == "0a4f113b"
    assert directives(header)["response"] == expected


def test_quotes_are_where_older_peers_expect_them() -> None:
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
    header = Credentials('a"b', "x").answer(challenge, method="REGISTER", uri="sip:r", count=11, cnonce="c")
    response = header.partition("response=")[2]
    assert header == (
        'Digest username="a\\"b", realm="r", nonce="n", uri="sip:r", algorithm=MD5, qop=auth, nc=0000000b, '
        f'cnonce="c", response={response}'
    )


def test_every_answer_has_another_cnonce() -> None:
    ours = Credentials("bob", "zanzibar")
    made = [
        directives(ours.answer(f'{BILOXI}, qop="auth"', method="INVITE", uri="sip:b"))["cnonce"]
        for _ in range(2)
    ]
    assert made[0] != made[1]


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-SESS", "SHA-256", "SHA-256-SESS"])
@pytest.mark.parametrize("qop", ["", 'qop="auth", '])
def test_httpx_computes_the_same(algorithm: str, qop: str) -> None:
    challenge = f'Digest realm="a b", {qop}nonce="0123", algorithm={algorithm}, opaque="o"'
    request = httpx.Request("GET", "http://host/path?query=1")
    flow = httpx.DigestAuth("bob", "zän").auth_flow(request)
    next(flow)
    answered = flow.send(httpx.Response(401, headers={"WWW-Authenticate": challenge}, request=request))
    theirs = directives(answered.headers["Authorization"])
    if "SESS" in algorithm and not qop:
        assert "cnonce" not in theirs  # of which the server could make nothing
        return
    ours = directives(
        Credentials("bob", "zän").answer(
            challenge, method="GET", uri="/path?query=1", cnonce=theirs.get("cnonce")
        )
    )
    assert ours == theirs


async def test_aiohttp_computes_the_same_over_a_body() -> None:
    challenge = 'Digest realm="r", nonce="0123", qop="auth-int", algorithm=SHA-256'
    judged: list[bool] = []

    async def handle(request: web.Request) -> web.Response:
        header = request.headers.get("Authorization")
        if header is None:
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        theirs = directives(header)
        login = ha1("bob", "r", "zanzibar", "SHA-256")
        body = await request.read()
        judged.append(digest_response(login, theirs, method="POST", body=body) == theirs["response"])
        ours = Credentials("bob", "zanzibar").answer(
            challenge, method="POST", uri=theirs["uri"], body=body, cnonce=theirs["cnonce"]
        )
        judged.append(directives(ours) == theirs)
        return web.Response()

    runner = web.AppRunner(application := web.Application())
    application.router.add_post("/x", handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        login = aiohttp.DigestAuthMiddleware("bob", "zanzibar")
        async with aiohttp.ClientSession(middlewares=(login,)) as session:
            await session.post(f"http://127.0.0.1:{runner.addresses[0][1]}/x", data=b"v=0\r\n")
    finally:
        await runner.cleanup()
    assert judged == [True, True]


@pytest.mark.parametrize(
    ("values", "index"),
    [
        ([RFC_7616.format("MD5"), RFC_7616.format("SHA-256")], 1),
        ([RFC_7616.format("MD5"), RFC_7616.format("MD5-sess")], 0),
        ([RFC_7616.format("SHA-512-256"), BILOXI], 1),
        (["Basic realm=x", 'Digest realm="no nonce"', "Digest broken", BILOXI], 3),
        ([f'{BILOXI}, qop="auth-conf"', BILOXI], 1),
    ],
)
def test_the_best_challenge_that_can_be_answered_is_taken(values: list[str], index: int) -> None:
    assert best_challenge(values) == values[index]


@pytest.mark.parametrize("values", [[], ["Basic realm=x"], [RFC_7616.format("SHA-512-256")]])
def test_there_may_be_none(values: list[str]) -> None:
    assert best_challenge(values) is None


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        ("Basic realm=x", "not a Digest challenge"),
        ('Digest realm="r"', "lacks nonce"),
        (f"Digest {NONCE}", "lacks realm"),
        (f"{BILOXI}, qop=auth-conf", "protection 'auth-conf'"),
        (f"{BILOXI}, algorithm=AKAv1-MD5", "algorithm 'AKAv1-MD5'"),
    ],
)
def test_what_cannot_be_answered_is_said(challenge: str, why: str) -> None:
    with pytest.raises(DigestUnsupported, match=why):
        Credentials("bob", "zanzibar").answer(challenge, method="INVITE", uri="sip:b")


def test_the_password_is_not_shown() -> None:
    assert "zanzibar" not in repr(Credentials("bob", "zanzibar"))
