"""A call as the Calls API shows it. Source: https://www.twilio.com/docs/voice/api/call-resource."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import phonenumbers

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.webhook.form import API_VERSION, is_number, shown_from

_SUBRESOURCES: Final = {
    "notifications": "Notifications",
    "recordings": "Recordings",
    "payments": "Payments",
    "events": "Events",
    "siprec": "Siprec",
    "streams": "Streams",
    "transcriptions": "Transcriptions",
    "user_defined_message_subscriptions": "UserDefinedMessageSubscriptions",
    "user_defined_messages": "UserDefinedMessages",
}
"""The names and path parts Twilio lists; this carrier serves none of them."""

Resource = dict[str, str | dict[str, str] | None]


def calls_path(account_sid: str) -> str:
    """Path of an account's calls, without ``.json``."""
    return f"/{API_VERSION}/Accounts/{account_sid}/Calls"


def resource_of(call: CarrierCall) -> Resource:
    """
    Show a call.

    Strings and nulls only, as with Twilio; a call of the local carrier costs nothing and has no price.
    """
    path = f"{calls_path(call.account_sid)}/{call.sid}"
    from_ = shown_from(call)
    duration_s = call.duration_s
    return {
        "sid": call.sid,
        "account_sid": call.account_sid,
        "parent_call_sid": call.parent_sid,
        "to": call.request.to,
        "to_formatted": formatted(call.request.to),
        "from": from_,
        "from_formatted": formatted(from_),
        "phone_number_sid": None,
        "status": call.status,
        "start_time": rfc2822(call.started),
        "end_time": rfc2822(call.ended),
        "date_created": rfc2822(call.created),
        "date_updated": rfc2822(call.updated),
        "duration": None if duration_s is None else str(duration_s),
        "price": None,
        "price_unit": "USD",
        "direction": call.direction,
        "answered_by": call.answered_by,
        "api_version": API_VERSION,
        "forwarded_from": None,
        "group_sid": None,
        "caller_name": None,
        "queue_time": str(call.queue_ms),
        "trunk_sid": None,
        "uri": f"{path}.json",
        "subresource_uris": {name: f"{path}/{part}.json" for name, part in _SUBRESOURCES.items()},
    }


def rfc2822(time: datetime | None) -> str | None:
    """Write a UTC time as Twilio does: ``Tue, 31 Aug 2010 20:36:28 +0000``."""
    return None if time is None else f"{time:%a, %d %b %Y %H:%M:%S} +0000"


def formatted(address: str) -> str:
    """Show an address to people: North American numbers in the national form, everything else as it is."""
    if not is_number(address):
        return address
    number = phonenumbers.parse(address)
    if number.country_code != 1:
        return address
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
