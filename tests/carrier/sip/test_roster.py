from __future__ import annotations

import pytest

from bridge.carrier.sip.roster import Roster, RosterPhone, RosterTrunk


def phone(user: str = "anna", contact: str = "sip:192.0.2.1", agent: str = "") -> RosterPhone:
    return RosterPhone(user, contact, "udp", agent, 60)


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("anna", "anna"),
        ("1001", "1001"),
        ("+12025550123", "+1202•••0123"),
        ("12025550123", "1202•••0123"),
        ("+493012345", "+493•••345"),
    ],
)
def test_numbers_are_masked_and_extensions_are_not(user: str, shown: str) -> None:
    [masked] = Roster(phones=(phone(user),)).masked().phones
    assert masked == phone(shown)


def test_what_peers_wrote_is_masked_and_harmless_on_a_terminal() -> None:
    roster = Roster(
        (phone(contact="sip:+12025550123@192.0.2.1:5062;ob", agent="\x1b[2JPhone"),),
        (RosterTrunk("office", "failed", "403 no\x07 <sip:4711@pbx>"), RosterTrunk("home", "registered")),
    )
    assert roster.masked() == Roster(
        (phone(contact="sip:+1202•••0123@192.0.2.1:5062;ob", agent="[2JPhone"),),
        (RosterTrunk("office", "failed", "403 no <sip:4•••@pbx>"), RosterTrunk("home", "registered")),
    )
