"""Where the requests of a running call go."""

from __future__ import annotations

import ipaddress
import logging

from bridge.carrier.sip.next_hop import literal_hop
from bridge.errors import SipUnreachable
from bridge.sip.dialog import Dialog
from bridge.sip.hop import Hop

log = logging.getLogger(__name__)


def hop_inside(dialog: Dialog, source: Hop) -> Hop:
    """
    Where requests inside a dialog go, given the hop of the peer's first message, or of one that moved it.

    By the same connection, if there is one. Where the next stop has a name, that is the neighbour the
    message was exchanged with, as far as we can tell without asking DNS once more.
    """
    if source.is_reliable:
        return source
    uri = dialog.next_uri
    if not dialog.routes and _is_behind_router(uri.host, source.host):
        return source
    try:
        return literal_hop(uri) or source
    except SipUnreachable as error:
        log.warning("a Contact or Route cannot be reached, its sender's address is used: %s", error)
        return source


def _is_behind_router(contact_host: str, source_host: str) -> bool:
    """Whether a Contact names an address that nobody outside its sender's own network can reach."""
    try:
        contact = ipaddress.ip_address(contact_host.strip("[]"))
        source = ipaddress.ip_address(source_host)
    except ValueError:
        return False
    if contact.is_unspecified:
        return True
    return contact != source and contact.is_private and (source.is_global or contact.is_loopback)
