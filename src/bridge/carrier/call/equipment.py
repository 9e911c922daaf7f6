"""What every call on the carrier uses: its account, its clocks, and its ways to the application."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bridge.carrier.webhook.callback import Callbacks
from bridge.carrier.webhook.fetch import WebhookClient
from bridge.clock import Clock
from bridge.ticker import Ticker


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

    """

    account_sid: str
    auth_token: str | None
    client: WebhookClient
    callbacks: Callbacks
    clock: Clock
    ticker: Ticker
    jitter: Random
