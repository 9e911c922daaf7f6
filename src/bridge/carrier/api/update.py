"""
``POST /Calls/{sid}.json``: end, cancel or redirect a call, or change how long it may last.

Source: https://www.twilio.com/docs/voice/api/call-resource#update-a-call-resource and
https://www.twilio.com/docs/api/errors/21220.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from bridge.carrier.api.form import MAX_TIME_LIMIT_S, Form, refused
from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import Document

_NOT_IN_PROGRESS = "Call is not in-progress. Cannot redirect."


def update_call(call: CarrierCall, fields: Collection[tuple[str, str]]) -> None:
    """
    Do what a form asks of a call; what it asks for happens soon after, not at once.

    ``canceled`` ends calls that are not answered yet and leaves others alone; ``completed`` ends any.

    Raises:
        CarrierRefused: With Twilio's code: 21220 where the call's state forbids it.

    """
    form = Form(list(fields))
    status = form.one_of("Status", ("canceled", "completed"), 20001)
    url, twiml = form.url("Url"), form.twiml()
    time_limit_s = form.whole("TimeLimit", 1, MAX_TIME_LIMIT_S, 13216)
    if url is not None and twiml is not None:
        raise refused(32019, "Twiml cannot be set if Voice URL is set")
    document = Document(
        url=url,
        method=form.method("Method"),
        twiml=twiml,
        fallback_url=form.url("FallbackUrl"),
        fallback_method=form.method("FallbackMethod"),
    )
    callback = form.status_callback()
    redirected = url is not None or twiml is not None
    if call.over and (status is not None or redirected or time_limit_s is not None):
        raise refused(21220, _NOT_IN_PROGRESS)
    if status == "completed" or (status == "canceled" and call.answered is None):
        call.orders.end.set()
    if redirected and status is None:
        if call.parent_sid is not None:
            raise refused(21220, "A call made by <Dial> cannot be redirected here; redirect its parent.")
        if call.answered is None:
            raise refused(21220, _NOT_IN_PROGRESS)
        if callback is not None:
            call.request = replace(call.request, status_callback=callback)
        call.orders.redirect(document)
    if time_limit_s is not None:
        call.request = replace(call.request, time_limit_s=time_limit_s)
        call.orders.limit_changed.set()
