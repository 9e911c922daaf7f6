"""The numbering plan of SIP: whose an address is, by which trunk a number leaves, who may call, and whom."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote

from bridge.carrier.api.form import refused
from bridge.carrier.call.request import Document
from bridge.carrier.phone.route import LOCAL_HOSTS
from bridge.carrier.sip.tables import Phone, Route, Trunk
from bridge.carrier.webhook.form import is_number

__all__ = ["Phone", "Plan", "Route", "Trunk", "document_of"]

_SIP: Final = re.compile(
    r"sips?:(?P<user>[^@;?:]+)(?::[^@]*)?@(?P<host>\[[0-9a-fA-F:.]+\]|[^:;?\[\]]+)(?::\d{1,5})?(?:[;?].*)?",
    re.IGNORECASE,
)


class Plan:
    """
    Answers every question about who is where; never changes.

    Args:
        domain: Our own SIP domain, which is also the realm of passwords.
        phones: Who may register.
        trunks: Ways to other numbers.
        routes: Webhooks for calls that come in; the first that matches counts.
        allow: Networks from which anybody may call without a login; empty means this machine alone.

    """

    def __init__(
        self,
        domain: str = "localhost",
        *,
        phones: Sequence[Phone] = (),
        trunks: Sequence[Trunk] = (),
        routes: Sequence[Route] = (),
        allow: Sequence[IPv4Network | IPv6Network] = (),
    ) -> None:
        self.domain: Final = domain
        self.phones: Final = tuple(phones)
        self.trunks: Final = tuple(trunks)
        self.routes: Final = tuple(routes)
        self._allow: Final = tuple(allow)
        self._ha1: Final = {phone.user: phone.ha1_at(domain) for phone in phones}
        self._by_user: Final = {phone.user: phone for phone in phones}
        self._by_number: Final = {phone.number: phone for phone in phones if phone.number is not None}

    @property
    def trunk_sids(self) -> frozenset[str]:
        """What ``Byoc`` may name."""
        return frozenset(trunk.sid for trunk in self.trunks)

    @property
    def numbers(self) -> frozenset[str]:
        """The numbers calls may be placed from: those of phones and trunks."""
        of_trunks = {number for trunk in self.trunks for number in trunk.caller_ids}
        return frozenset(of_trunks | self._by_number.keys())

    def ha1_of(self, user: str) -> str | None:
        """Give the hash of a phone's password; ``None`` if there is no such phone."""
        return self._ha1.get(user)

    def phone_for(self, address: str) -> str | None:
        """Give the user whose phone is at ``sip:user@`` our domain or ``localhost``, or has this number."""
        if address in self._by_number:
            return self._by_number[address].user
        found = _SIP.fullmatch(address)
        if found is None or found["host"].lower() not in {*LOCAL_HOSTS, self.domain.lower()}:
            return None
        user = unquote(found["user"])
        phone = self._by_user.get(user) or self._by_number.get(user)
        return None if phone is None else phone.user

    def route_for(self, dialled: str) -> Route | None:
        """Give the route of a user or number, or of a SIP address with one; ``None`` if nobody is there."""
        found = _SIP.fullmatch(dialled)
        user = unquote(found["user"]) if found is not None else dialled
        return next((route for route in self.routes if route.matches(user)), None)

    def trunk_for(self, number: str, byoc: str | None = None) -> Trunk | None:
        """
        Choose the trunk a number leaves by: the one asked for, else the one with the longest prefix of it.

        Raises:
            CarrierRefused: 21300, there is no trunk with this SID.

        """
        if byoc is not None:
            for trunk in self.trunks:
                if trunk.sid == byoc:
                    return trunk
            raise refused(21300, f"Invalid BYOC trunk SID: {byoc[:40]}")
        if not is_number(number):
            return None
        # Of equals the first in the file: max() keeps the earliest.
        found = [
            (len(prefix), trunk)
            for trunk in self.trunks
            for prefix in trunk.prefixes or ("",)
            if number.startswith(prefix)
        ]
        return max(found, key=lambda one: one[0])[1] if found else None

    def trunk_at(self, source_ip: str) -> Trunk | None:
        """Give the trunk that calls from this address; ``None`` if none does."""
        address = _plain(source_ip)
        return next((trunk for trunk in self.trunks if trunk.is_at(address)), None)

    def may_call(self, source_ip: str) -> bool:
        """Whether anybody at this address may call without a login; trunks may from theirs."""
        address = _plain(source_ip)
        try:
            source = ip_address(address)
        except ValueError:
            return False
        if self.trunk_at(address) is not None:
            return True
        return any(source in network for network in self._allow) if self._allow else source.is_loopback


def document_of(route: Route) -> Document:
    """Give what a call by this route runs."""
    return Document(
        url=route.url,
        method=route.method,
        fallback_url=route.fallback_url,
        fallback_method=route.method,
    )


def _plain(address: str) -> str:
    """Write an IPv4 address that came over an IPv6 socket as what it is."""
    try:
        parsed = ip_address(address.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
