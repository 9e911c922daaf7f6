"""What every call on the carrier uses: its account, its clocks, and its ways to the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from bridge.carrier.call.call import CarrierCall
from bridge.carrier.call.request import CallRequest
from bridge.carrier.phone.leg import Leg
from bridge.carrier.phone.voice import Voice
from bridge.carrier.webhook.callback import Callbacks
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.clock import Clock
from bridge.ticker import Ticker

FindLeg = Callable[[CarrierCall], Leg | None]
"""Gives the phone a call is for; ``None`` if there is none."""

Life = Callable[[CarrierCall], Awaitable[None]]
"""What a call does from its beginning to its end."""

Branch = Callable[[CallRequest, CarrierCall, Life], Awaitable[None]]
"""Runs a call that another one's ``<Dial>`` makes; raises ``CarrierRefused`` where no more calls fit."""


@dataclass(frozen=True, slots=True)
class Equipment:
    """
    Shared by all calls.

    Attributes:
        account_sid: ``AC…``, the account all calls belong to.
        auth_token: Signs the media sockets' handshakes; ``None`` signs nothing.
        client: Asks webhooks and fetches media files.
        callbacks: Sends status callbacks.
        clock: Time.
        ticker: The 20 ms schedule all lines are members of; the exchange runs it.
        jitter: Chance for the streams' time stamps.
        find_leg: Finds the phones that ``<Dial>`` rings.
        branch: Runs the calls that ``<Dial>`` makes.
        voice: Reads ``<Say>`` aloud; ``None`` where no program that can is installed.

    """

    account_sid: str
    auth_token: str | None
    client: WebhookClient
    callbacks: Callbacks
    clock: Clock
    ticker: Ticker
    jitter: Random
    find_leg: FindLeg
    branch: Branch
    voice: Voice | None = None
