"""The open connections of a SIP port: how many there may be, and who gives way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from bridge.carrier.sip.flow import Flow
from bridge.sip.brake import network_of


class FlowTable:
    """
    Connections by their number.

    A bound for all and one for each network, an IPv6 /64 or one IPv4 address. Beyond them the stranger that
    has been quiet longest goes at once; where nobody is a stranger, the newcomer goes. So whoever opens many
    drives out himself and others nobody knows, and never a phone that has registered.

    Args:
        most: Connections at once.
        most_of_network: Of one network.

    """

    def __init__(self, *, most: int = 1_000, most_of_network: int = 200) -> None:
        self._most: Final = most
        self._most_of_network: Final = most_of_network
        self._numbers: Final = itertools.count(1)
        self._flows: dict[int, Flow] = {}

    def __iter__(self) -> Iterator[Flow]:
        return iter(list(self._flows.values()))

    def __len__(self) -> int:
        return len(self._flows)

    def get(self, number: int | None) -> Flow | None:
        """The connection of this number, if it is open."""
        return None if number is None else self._flows.get(number)

    def add(self, flow: Flow) -> tuple[int, Flow | None]:
        """Take a connection in; gives its number, and which one has to go, perhaps itself."""
        number = next(self._numbers)
        self._flows[number] = flow
        network = network_of(flow.host)
        neighbours = [other for other in self._flows.values() if network_of(other.host) == network]
        if len(neighbours) > self._most_of_network:
            return number, self._drop(neighbours, flow)
        if len(self._flows) > self._most:
            return number, self._drop(list(self._flows.values()), flow)
        return number, None

    def remove(self, flow: Flow) -> bool:
        """Forget a connection; false if it was forgotten already."""
        return self._flows.pop(flow.number, None) is not None

    def _drop(self, crowd: list[Flow], newcomer: Flow) -> Flow:
        strangers = [flow for flow in crowd if not flow.is_proven and flow is not newcomer]
        return min(strangers, key=lambda flow: flow.last_heard_s, default=newcomer)
