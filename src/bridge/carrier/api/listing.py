"""
``GET /Calls.json``: filters and pages.

Source: https://www.twilio.com/docs/voice/api/call-resource#read-multiple-call-resources and its OpenAPI. A
page token names the last call of the page before, so new calls do not shift what comes next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from bridge.carrier.api.form import Form, refused
from bridge.carrier.api.resource import calls_path, resource_of
from bridge.carrier.call.call import NEXT, CarrierCall
from bridge.carrier.webhook.form import shown_from

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000

_TOKEN_PREFIX: Final = "PA"  # noqa: S105  (a page token is no secret)
_TIMES: Final = ("StartTime", "EndTime")


def list_calls(
    calls: Iterable[CarrierCall], account_sid: str, fields: Collection[tuple[str, str]]
) -> dict[str, Any]:
    """
    Give one page.

    Args:
        calls: All calls, newest first.
        account_sid: For the paths.
        fields: The query.

    Raises:
        CarrierRefused: 20001 for a filter or page that cannot be read.

    """
    form = Form(list(fields))
    page_size = form.whole("PageSize", 1, MAX_PAGE_SIZE, 20001) or PAGE_SIZE
    page = form.whole("Page", 0, 10**8, 20001) or 0
    token = form.get("PageToken")
    matching = [call for call in calls if _matches(call, form)]
    first = _after(matching, token) if token is not None else page * page_size
    shown = list(islice(matching, first, first + page_size))
    more = len(matching) > first + len(shown)
    filters = [(key, value) for key, value in fields if key not in {"Page", "PageSize", "PageToken"}]

    def uri(number: int, last: CarrierCall | None = None) -> str:
        query = [*filters, ("PageSize", str(page_size)), ("Page", str(number))]
        if last is not None:
            query.append(("PageToken", _TOKEN_PREFIX + last.sid))
        return f"{calls_path(account_sid)}.json?{urlencode(query)}"

    before = matching[first - page_size - 1] if page_size < first <= len(matching) + page_size else None
    return {
        "calls": [resource_of(call) for call in shown],
        "page": page,
        "page_size": page_size,
        "start": page * page_size,
        "end": page * page_size + max(0, len(shown) - 1),
        "uri": uri(page) if token is None else f"{uri(page)}&PageToken={token}",
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1, shown[-1]) if more and shown else None,
        "previous_page_uri": uri(page - 1, before) if page > 0 else None,
    }


def _after(calls: list[CarrierCall], token: str) -> int:
    sid = token.removeprefix(_TOKEN_PREFIX)
    for index, call in enumerate(calls):
        if call.sid == sid:
            return index + 1
    raise refused(20001, f"PageToken {token[:60]} is not one of this list's; start again from the first page")


def _matches(call: CarrierCall, form: Form) -> bool:
    if (status := form.one_of("Status", list(NEXT), 20001)) is not None and call.status != status:
        return False
    if (to := form.get("To")) is not None and call.request.to != to:
        return False
    if (from_ := form.get("From")) is not None and shown_from(call) != from_:
        return False
    if (parent_sid := form.get("ParentCallSid")) is not None and call.parent_sid != parent_sid:
        return False
    return all(
        _in_time(form, name, time) for name, time in zip(_TIMES, (call.started, call.ended), strict=True)
    )


def _in_time(form: Form, name: str, time: datetime | None) -> bool:
    """``Name``: the same day; ``Name<``: before it; ``Name>``: on it or later; times, to the second."""
    for suffix in ("", "<", ">"):
        text = form.get(name + suffix)
        if text is None:
            continue
        bound, whole_day = _read_time(name, text)
        if time is None:
            return False
        same = time.date() == bound.date() if whole_day else time.replace(microsecond=0) == bound
        fits = same if not suffix else time < bound if suffix == "<" else time >= bound
        if not fits:
            return False
    return True


def _read_time(name: str, text: str) -> tuple[datetime, bool]:
    try:
        if len(text) == len("2010-08-31"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC), True
        time = datetime.fromisoformat(text)
    except ValueError:
        raise refused(20001, f"{name}: {text[:40]} is neither YYYY-MM-DD nor an ISO 8601 time") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC), False
