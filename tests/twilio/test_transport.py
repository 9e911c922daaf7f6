"""The mended HTTP side: other hosts, quiet logs, credentials (failures are in test_rest.py)."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import CarrierRefused, CarrierUnreachable, ConfigurationError
from bridge.twilio.transport import Transport, check_api_base, refusal
from tests.twilio.api_stage import says, stage

CALL = "CA" + "1" * 32
URI = "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json?PageSize=5"


async def test_the_host_is_replaced_and_nothing_else() -> None:
    async with stage(says(200, json.dumps({"sid": CALL, "to": {"odd": 1}}))) as api:
        transport = Transport(api_base=api.url, timeout_s=5)
        response = await transport.request("POST", URI, data={"A": ["1", "2"], "B": 3}, auth=("AC1", "ü:x"))
        await transport.close()
    (taken,) = api.taken
    assert (taken.path, taken.query) == ("/2010-04-01/Accounts/AC1/Calls.json", "PageSize=5")
    assert taken.form == [("A", "1"), ("A", "2"), ("B", "3")]
    assert taken.headers["authorization"] == "Basic QUMxOsO8Ong="
    assert json.loads(response.text) == {"sid": CALL}  # nothing else can trip the library


async def test_whom_the_requests_go_to() -> None:
    ours = Transport(api_base="http://localhost:5070/", timeout_s=5)
    twilios = Transport(api_base=None, timeout_s=5)
    try:
        assert (ours.host, twilios.host) == ("localhost:5070", "api.twilio.com")
        assert ours._rewritten(URI) == URI.replace("https://api.twilio.com", "http://localhost:5070")
        assert twilios._rewritten(URI) == URI
    finally:
        await ours.close()
        await twilios.close()


async def test_the_library_logs_no_requests(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with stage(says(200, json.dumps({"sid": CALL}))) as api:
            transport = Transport(api_base=api.url, timeout_s=5)
            await transport.request("POST", URI, data={"To": "+12025550123"}, auth=("AC1", "secret"))
            await transport.close()
    assert not [record for record in caplog.records if record.name.startswith(("twilio", "bridge"))]


@pytest.mark.parametrize(
    "url", ["http://localhost:5070", "https://api.dublin.ie1.twilio.com", "http://[::1]:5070/x"]
)
def test_good_bases(url: str) -> None:
    assert check_api_base(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "localhost:5070",
        "//h",
        "ftp://h",
        "http://",
        "http://h:x",
        "http://h:0",
        "http://u:p@h",
        "http://h?a=1",
        "http://h/#x",
        "http://h h",
        "http://[::1",
    ],
)
def test_bad_bases(url: str) -> None:
    with pytest.raises(ConfigurationError, match="API base"):
        check_api_base(url)


@given(
    st.integers(100, 599),
    st.text(max_size=20)
    | st.dictionaries(
        st.sampled_from(["sid", "code", "message", "more_info", "type", "title", "detail"]),
        st.none() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2) | st.booleans(),
    ).map(json.dumps),
)
def test_any_answer_is_a_sid_or_a_carrier_error(status: int, text: str) -> None:
    transport = Transport.__new__(Transport)  # reading needs no connection
    transport._base = "http://h"
    outcome: object = None
    try:
        outcome = transport._read(status, text)
    except (CarrierRefused, CarrierUnreachable) as error:
        outcome = type(error)
    if 400 <= status < 500:
        assert outcome in (CarrierRefused, CarrierUnreachable)
    elif 200 <= status < 300:
        assert outcome is CarrierUnreachable or isinstance(outcome, dict)
    else:
        assert outcome is CarrierUnreachable


def test_messages_are_bounded() -> None:
    assert len(str(refusal(400, {"message": "x" * 100_000}))) == 500
