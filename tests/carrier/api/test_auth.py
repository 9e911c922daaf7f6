from __future__ import annotations

from base64 import b64encode

import pytest

from bridge.carrier.api.auth import check_login
from bridge.errors import CarrierRefused
from tests.carrier.signalling_stage import ACCOUNT_SID, AUTH_TOKEN


def basic(text: str) -> str:
    return f"Basic {b64encode(text.encode()).decode()}"


def test_the_accounts_sid_and_token_are_let_in() -> None:
    check_login(basic(f"{ACCOUNT_SID}:{AUTH_TOKEN}"), ACCOUNT_SID, AUTH_TOKEN)
    check_login(basic(f"{ACCOUNT_SID}:{AUTH_TOKEN}").replace("Basic", "basic"), ACCOUNT_SID, AUTH_TOKEN)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        basic(""),
        basic(f"{ACCOUNT_SID}:wrong"),
        basic(f"{ACCOUNT_SID}:"),
        basic(f"AC{'b' * 32}:{AUTH_TOKEN}"),
        f"Bearer {AUTH_TOKEN}",
        basic("\u2603:ü"),
    ],
)
def test_nobody_else_is(header: str | None) -> None:
    with pytest.raises(CarrierRefused) as refused:
        check_login(header, ACCOUNT_SID, AUTH_TOKEN)
    assert (refused.value.code, refused.value.status) == (20003, 401)
