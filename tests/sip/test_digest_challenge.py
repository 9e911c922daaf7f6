"""Our challenges and verdicts, with our own answers and with clients that others wrote."""

from __future__ import annotations

import http.server
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
import httpx
import pytest

from bridge.sip.digest import Challenger, Credentials, Verdict, ha1
from bridge.sip.digest_value import read_digest, spell_digest
from tests.peers.program import program

REALM: Final = "localhost"
URI: Final = "sip:+12025550123@localhost"
ALICE: Final = Credentials("alice", "wonderland")
LOGINS: Final = {"alice": ha1("alice", REALM, "wonderland").upper()}


def judge(
    challenger: Challenger,
    answer: str | None,
    *,
    method: str = "INVITE",
    uri: str = URI,
    now_s: float = 0.0,
    source: str = "",
) -> Verdict:
    return challenger.judge(answer, method=method, uri=uri, now_s=now_s, ha1_of=LOGINS.get, source=source)


def answer(challenge: str, *, who: Credentials = ALICE, uri: str = URI, count: int = 1) -> str:
    return who.answer(challenge, method="INVITE", uri=uri, count=count)


def changed(header: str, **directives: str | None) -> str:
    """An answer with directives replaced, or taken out."""
    read = {**(read_digest(header) or {}), **directives}
    return spell_digest([(name, value) for name, value in read.items() if value is not None])


def test_the_right_password_is_ok_and_the_challenge_is_as_phones_know_it() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    nonce = (read_digest(challenge) or {})["nonce"]
    assert challenge == f'Digest realm="localhost", nonce="{nonce}", algorithm=MD5, qop="auth"'
    assert judge(challenger, answer(challenge)) == Verdict("ok", "alice")


@pytest.mark.parametrize("header", [None, "Basic YTpi", 'Digest realm="other", nonce="x", username="alice"'])
def test_no_answer_to_our_realm_is_missing(header: str | None) -> None:
    assert judge(Challenger(REALM), header) == Verdict("missing", None)


@pytest.mark.parametrize("who", [Credentials("alice", "Wonderland"), Credentials("nobody", "wonderland")])
def test_a_wrong_password_and_an_unknown_user_look_the_same(who: Credentials) -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    assert judge(challenger, answer(challenge, who=who)) == Verdict("wrong", who.username)


@pytest.mark.parametrize(
    "directives",
    [
        {"username": None},
        {"uri": None},
        {"response": None},
        {"nc": None},
        {"nc": "1"},
        {"nc": "0000000g"},
        {"cnonce": None},
        {"cnonce": ""},
        {"qop": "auth-int"},
        {"algorithm": "SHA-256"},
        {"algorithm": "MD5-sess"},
        {"response": "é"},
        {"username": "a" * 300},
        {"uri": "sip:+12025550199@localhost"},
    ],
)
def test_an_answer_that_is_not_what_was_asked_is_wrong(directives: dict[str, str | None]) -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    assert judge(challenger, changed(answer(challenge), **directives)).result == "wrong"


def test_an_answer_without_a_nonce_of_ours_is_no_attempt_at_a_password() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    assert judge(challenger, changed(answer(challenge), nonce=None)).result == "stale"
    assert judge(challenger, 'Digest realm="localhost", username="alice"').result == "stale"


def test_a_malformed_answer_is_none() -> None:
    assert judge(Challenger(REALM), 'Digest realm="localhost') == Verdict("missing", None)


def test_a_method_other_than_the_signed_one_is_wrong() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    assert judge(challenger, answer(challenge), method="REGISTER").result == "wrong"


@pytest.mark.parametrize(
    ("signed", "result"),
    [
        ("sip:+12025550123@127.0.0.1:5060;transport=tcp", "ok"),
        ("sips:%2B12025550123@localhost", "ok"),
        ("sip:+12025550199@localhost", "wrong"),
        ("sip:localhost", "ok"),
        ("tel:+12025550123", "wrong"),
    ],
)
def test_a_proxy_may_change_the_host_but_not_who_is_called(signed: str, result: str) -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    assert judge(challenger, answer(challenge, uri=signed)).result == result


def test_the_same_count_twice_is_stale_and_a_higher_one_is_ok() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    first, third = answer(challenge), answer(challenge, count=3)
    results = [judge(challenger, header).result for header in (first, first, third, first, third)]
    assert results == ["ok", "stale", "ok", "stale", "stale"]


def test_without_a_count_a_nonce_is_good_once() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    old = answer(challenge.replace(', qop="auth"', ""))
    assert "nc=" not in old
    assert [judge(challenger, old).result for _ in range(2)] == ["ok", "stale"]


def test_a_wrong_answer_uses_no_count_up() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0)
    assert judge(challenger, answer(challenge, who=Credentials("alice", "x"))).result == "wrong"
    assert judge(challenger, answer(challenge)).result == "ok"


def test_a_nonce_lives_its_time_and_a_stale_challenge_says_so() -> None:
    challenger = Challenger(REALM, nonce_ttl_s=60.0)
    [challenge] = challenger.challenges(100.0)
    assert judge(challenger, answer(challenge), now_s=160.0).result == "ok"
    late = answer(challenge, count=2)
    assert judge(challenger, late, now_s=160.1) == Verdict("stale", "alice")
    [again] = challenger.challenges(160.1, stale=True)
    assert again.endswith(", stale=TRUE")
    assert judge(challenger, answer(again), now_s=160.1).result == "ok"


@pytest.mark.parametrize("who", [ALICE, Credentials("alice", "guess"), Credentials("nobody", "guess")])
def test_a_foreign_nonce_is_stale_and_tells_nothing_of_the_password(who: Credentials) -> None:
    [elsewhere] = Challenger(REALM).challenges(0.0)
    assert judge(Challenger(REALM), answer(elsewhere, who=who)) == Verdict("stale", who.username)


def test_a_nonce_of_another_form_is_stale() -> None:
    challenge = 'Digest realm="localhost", nonce="made up", qop="auth"'
    assert judge(Challenger(REALM), answer(challenge)) == Verdict("stale", "alice")


def test_a_nonce_is_good_only_for_whom_it_was_made() -> None:
    challenger = Challenger(REALM)
    [challenge] = challenger.challenges(0.0, source="192.0.2.1")
    assert judge(challenger, answer(challenge), source="192.0.2.2").result == "stale"
    assert judge(challenger, answer(challenge), source="192.0.2.1").result == "ok"


def test_two_challenges_of_one_moment_differ() -> None:
    challenger = Challenger(REALM)
    assert challenger.challenges(5.0) != challenger.challenges(5.0)


def test_what_is_forgotten_for_want_of_room_cannot_be_replayed() -> None:
    challenger = Challenger(REALM, most_nonces=4)
    answers = [answer(challenger.challenges(float(second))[0]) for second in range(6)]
    unused = answer(challenger.challenges(0.5)[0])
    assert {judge(challenger, header, now_s=6.0).result for header in answers} == {"ok"}
    assert {judge(challenger, header, now_s=6.0).result for header in answers} == {"stale"}
    assert len(challenger._nonces._used) <= 4
    assert judge(challenger, unused, now_s=6.0).result == "stale"  # older than what was forgotten
    assert judge(challenger, answer(challenger.challenges(6.0)[0]), now_s=6.0).result == "ok"


def test_expired_nonces_make_room_first() -> None:
    challenger = Challenger(REALM, nonce_ttl_s=10.0, most_nonces=4)
    for second in range(4):
        judge(challenger, answer(challenger.challenges(float(second))[0]), now_s=float(second))
    kept = challenger.challenges(3.0)[0]
    assert judge(challenger, answer(challenger.challenges(12.5)[0]), now_s=12.5).result == "ok"
    assert judge(challenger, answer(kept), now_s=12.5).result == "ok"


def test_ours_is_found_among_the_answers_for_several_realms() -> None:
    challenger = Challenger(REALM)
    values = ["Digest broken", 'Digest realm="proxy"', 'Digest realm="localhost"']
    assert challenger.own(values) == values[2]
    assert challenger.own(values[:2]) == values[0]
    assert challenger.own([]) is None


class Guarded(http.server.BaseHTTPRequestHandler):
    """An HTTP server behind our challenger: digest is the same there, and other people's clients know it."""

    protocol_version = "HTTP/1.1"
    challenger = Challenger(REALM)
    verdicts: Final[list[str]] = []

    def do_GET(self) -> None:  # the standard library's spelling
        verdict = self.challenger.judge(
            self.headers["Authorization"],
            method=self.command,
            uri=self.path,
            now_s=0.0,
            ha1_of=LOGINS.get,
            source=self.client_address[0],
        )
        self.verdicts.append(verdict.result)
        self.send_response(200 if verdict.result == "ok" else 401)
        if verdict.result != "ok":
            stale = verdict.result == "stale"
            for value in self.challenger.challenges(0.0, stale=stale, source=self.client_address[0]):
                self.send_header("WWW-Authenticate", value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None: ...


@contextmanager
def guarded() -> Iterator[str]:
    Guarded.verdicts.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/path?query=1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("password", "status"), [("wonderland", 200), ("x", 401)])
def test_httpx_logs_in_and_counts_up(password: str, status: int) -> None:
    with guarded() as url, httpx.Client(auth=httpx.DigestAuth("alice", password), trust_env=False) as client:
        assert [client.get(url).status_code for _ in range(2)] == [status, status]
    right = ["missing", "ok", "ok"]  # the second request brings the nonce along, with the next count
    assert Guarded.verdicts == (right if status == 200 else ["missing", "wrong", "wrong", "wrong"])


async def test_aiohttp_logs_in() -> None:
    with guarded() as url:
        login = aiohttp.DigestAuthMiddleware("alice", "wonderland")
        async with aiohttp.ClientSession(middlewares=(login,)) as session, session.get(url) as got:
            assert got.status == 200
    assert Guarded.verdicts == ["missing", "ok"]


@pytest.mark.parametrize(("password", "result"), [("wonderland", "ok"), ("x", "wrong")])
def test_the_standard_library_logs_in_each_time_with_the_next_count(password: str, result: str) -> None:
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(REALM, "http://host/", "alice", password)
    client = urllib.request.AbstractDigestAuthHandler(passwords)
    challenger = Challenger(REALM)
    challenge = read_digest(challenger.challenges(0.0)[0]) or {}
    request = urllib.request.Request("http://host/path?query=1")
    for _ in range(3):
        header = f"Digest {client.get_authorization(request, challenge)}"
        assert judge(challenger, header, method="GET", uri="/path?query=1").result == result


@pytest.mark.peers
@pytest.mark.parametrize(("password", "status"), [("wonderland", "200"), ("x", "401")])
def test_curl_logs_in(password: str, status: str) -> None:
    with guarded() as url:
        command = [
            program("curl"),
            "--noproxy",
            "*",
            "-s",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--digest",
        ]
        done = subprocess.run(
            [*command, "-u", f"alice:{password}", url], capture_output=True, text=True, check=True
        )
    assert done.stdout == status
    assert Guarded.verdicts == ["missing", "ok" if status == "200" else "wrong"]
