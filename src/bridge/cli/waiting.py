"""Waiting for a call to be answered: its events say when to look again, so nothing is asked in a loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed

from bridge.cli.client import ServerClient
from bridge.cli.socket import open_socket
from bridge.errors import CallUnknown, CarrierUnreachable

LIVE: Final = ("queued", "initiated", "ringing", "in-progress")
"""The states of a call that is not over."""


def latest_call(client: ServerClient) -> str:
    """
    Give the SID of the newest call that is not over, answered or not.

    Raises:
        CallUnknown: There is none.

    """
    found = [
        call for status in LIVE for call in client.ask("GET", f"/calls?limit=1&status={status}")["calls"]
    ]
    if not found:
        raise CallUnknown("no call is running. Place one: bridge call sip:demo@localhost")
    return str(max(found, key=lambda call: datetime.fromisoformat(call["created_at"]))["sid"])


def wait_until_it_streams(client: ServerClient, call_sid: str) -> None:
    """
    Return once a call streams, or is over: whoever opens its audio then is told how it ended.

    Raises:
        CarrierUnreachable: No server answers there, or it stops.
        CarrierRefused: It does not know the call, or refuses.

    """
    path = f"/calls/{quote(call_sid, safe='')}"
    if not _is_awaited(client.ask("GET", path)):
        return
    with open_socket(client, f"/events?call_sid={quote(call_sid, safe='')}") as events:
        told = False
        # Asked anew behind the first look: what happened before the events were open is in no event.
        while _is_awaited(client.ask("GET", path)):
            if not told:
                print("waiting for the call to be answered …", file=sys.stderr, flush=True)
                told = True
            try:
                if json.loads(events.recv())["event"] == "stream-started":
                    return
            except ConnectionClosed:
                raise CarrierUnreachable("the server has closed the connection: server stops") from None


def _is_awaited(call: Mapping[str, Any]) -> bool:
    return call["status"] in LIVE and not call["streams"]
