"""Bodies: three kinds in, one set of fields out."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from bridge.web.body import MAX_BODY_BYTES, MAX_FIELDS, read_fields
from bridge.web.problem import install
from tests.web.browser import browse

app = FastAPI()
install(app)


@app.post("/")
async def echo(request: Request) -> dict[str, object]:
    return await read_fields(request)


JSON, FORM = "application/json", "application/x-www-form-urlencoded"


async def post(body: bytes | str, kind: str | None) -> tuple[int, dict[str, object]]:
    async with browse(app) as client:
        answer = await client.post("/", content=body, headers={"Content-Type": kind} if kind else {})
    return answer.status_code, answer.json()


async def post_parts(*parts: tuple[str, tuple[str | None, str]]) -> tuple[int, dict[str, object]]:
    async with browse(app) as client:
        answer = await client.post("/", files=list(parts))
    return answer.status_code, answer.json()


@pytest.mark.parametrize("kind", [JSON, "Application/JSON; charset=utf-8"])
async def test_json(kind: str) -> None:
    fields = {"to": "sip:a@h", "timeout": 5, "parameters": {"a": "ü"}, "sinks": ["wav"], "url": None}
    assert await post(json.dumps(fields), kind) == (200, fields)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("to=%2B12025550123&timeout=5", {"to": "+12025550123", "timeout": "5"}),
        ("to=+12025550123", {"to": " 12025550123"}),
        ("a=1&a=2&a=3&b=", {"a": ["1", "2", "3"]}),
        ("p[order]=42&p%5Bname%5D=J%C3%B6rg", {"p": {"order": "42", "name": "Jörg"}}),
        ("a[b][c]=1", {"a[b][c]": "1"}),
        ("", {}),
    ],
)
async def test_forms(body: str, fields: dict[str, object]) -> None:
    assert await post(body, FORM) == (200, fields)


async def test_multipart() -> None:
    status, fields = await post_parts(
        ("to", (None, "sip:ü@h")), ("sinks", (None, "wav")), ("sinks", (None, "log"))
    )
    assert (status, fields) == (200, {"to": "sip:ü@h", "sinks": ["wav", "log"]})


@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "application/json5", "x" * 500])
async def test_other_kinds(kind: str | None) -> None:
    status, problem = await post('{"to": "sip:a@h"}', kind)
    assert (status, problem["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in str(problem["hint"])


async def test_json_that_says_it_is_a_form() -> None:
    """What ``curl -d '{"to": …}'`` sends without ``-H``."""
    status, problem = await post(' {"to": "sip:a@h"}', FORM)
    assert status == 415
    assert "looks like JSON" in str(problem["detail"])


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"to": "sip:a@h",}', "line 1, column 1"),
        ('{\n"to" "x"}', "line 2, column 6"),
        ("", "line 1, column 1"),
        ('{"to": NaN}', "NaN"),
        ('{"to": -Infinity}', "Infinity"),
        ('{"to": "a", "to": "b"}', "twice"),
        ("[]", "no JSON object"),
        ('"to"', "no JSON object"),
        ("null", "no JSON object"),
        (b'{"to": "\xff"}', "UTF-8 at byte 8"),
        ("[" * 60_000, "nobody can mean"),
        ('{"timeout": ' + "9" * 5000 + "}", "nobody can mean"),
    ],
)
async def test_bad_json(body: bytes | str, detail: str) -> None:
    status, problem = await post(body, JSON)
    assert (status, problem["code"]) == (400, "bad_json")
    assert detail in str(problem["detail"])


@pytest.mark.parametrize(
    ("body", "kind", "detail"),
    [
        (b"to=%FF", FORM, "UTF-8"),
        (b"to=\xff", FORM, "UTF-8"),
        ("&".join(f"f{n}=1" for n in range(MAX_FIELDS + 1)), FORM, "more than"),
        ("a[x]=1&a[x]=2", FORM, "twice"),
        ("a=1&a[x]=2", FORM, "twice"),
        ("a[x]=2&a=1", FORM, "twice"),
        ("x", "multipart/form-data", "boundary"),
        ("x", "multipart/form-data; boundary=b", "cannot be read"),
        ("--b\r\nnonsense\r\n\r\n", "multipart/form-data; boundary=b", "cannot be read"),
    ],
)
async def test_bad_forms(body: bytes | str, kind: str, detail: str) -> None:
    status, problem = await post(body, kind)
    assert (status, problem["code"]) == (400, "bad_form")
    assert detail in str(problem["detail"])


async def test_files_are_refused() -> None:
    status, problem = await post_parts(("to", ("a.txt", "sip:a@h")))
    assert (status, problem["code"]) == (400, "bad_form")


@pytest.mark.parametrize("kind", [JSON, FORM, "multipart/form-data; boundary=b"])
async def test_the_limit(kind: str) -> None:
    status, problem = await post(b" " * (MAX_BODY_BYTES + 1), kind)
    assert (status, problem["code"]) == (413, "body_too_large")


async def test_up_to_the_limit() -> None:
    frame = len('{"a":""}')
    status, fields = await post('{"a":"' + "x" * (MAX_BODY_BYTES - frame) + '"}', JSON)
    assert (status, len(str(fields["a"]))) == (200, MAX_BODY_BYTES - frame)


@given(
    st.binary(max_size=80) | st.text('{}[]",:0ae\\u&=%+-', max_size=60).map(str.encode),
    st.sampled_from([JSON, FORM, "multipart/form-data; boundary=b"]),
)
async def test_any_body_is_fields_or_a_problem(body: bytes, kind: str) -> None:
    status, _ = await post(body, kind)
    assert status in {200, 400, 415}


@given(st.dictionaries(st.text("abc]_", min_size=1, max_size=6), st.text(min_size=1, max_size=5), max_size=3))
async def test_a_form_says_what_was_put_in(fields: dict[str, str]) -> None:
    body = "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items())
    assert await post(body, FORM) == (200, fields)
