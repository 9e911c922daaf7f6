from __future__ import annotations

import pytest

from bridge.sip import rtcp
from bridge.sip.crypto import SUITES, new_crypto
from bridge.sip.rtcp import Sent
from bridge.sip.rtp import RtpSender
from bridge.sip.srtp import SrtpSession

FRAME = b"\x55" * 160


def pair(suite: str = SUITES[0]) -> tuple[SrtpSession, SrtpSession]:
    one, other = new_crypto(1, suite), new_crypto(1, suite)
    return SrtpSession(one, other), SrtpSession(other, one)


@pytest.mark.parametrize(("suite", "tag_bytes"), [(SUITES[0], 10), (SUITES[1], 4)])
def test_two_sessions_understand_each_other_both_ways(suite: str, tag_bytes: int) -> None:
    one, other = pair(suite)
    for here, there in ((one, other), (other, one)):
        sender = RtpSender()
        for _ in range(3):
            packet = bytes(sender.audio(0, FRAME))
            secret = here.protect(packet)
            assert len(secret) == len(packet) + tag_bytes
            assert FRAME[:16] not in secret
            assert there.unprotect(secret) == packet
    assert (one.refused, other.refused) == (0, 0)


def test_what_was_tampered_with_or_replayed_is_counted_and_gone() -> None:
    one, other = pair()
    sender = RtpSender()
    secret = one.protect(bytes(sender.audio(0, FRAME)))
    for at in (1, 8, 12, 100, len(secret) - 1):
        assert other.unprotect(secret[:at] + bytes([secret[at] ^ 1]) + secret[at + 1 :]) is None
    assert other.unprotect(secret) is not None
    assert other.unprotect(secret) is None
    assert other.refused == 6


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80" * 12, b"\0" * 40, b"\xff" * 1500, b"\x80" * 3000])
def test_junk_is_refused_without_a_word(data: bytes) -> None:
    one, _ = pair()
    assert one.unprotect(data) is None
    assert one.unprotect_rtcp(data) is None
    assert one.refused == 2


def test_the_wrong_key_opens_nothing() -> None:
    one, _ = pair()
    _, stranger = pair()
    assert stranger.unprotect(one.protect(bytes(RtpSender().audio(0, FRAME)))) is None


def test_reports_are_encrypted_too() -> None:
    one, other = pair()
    report = rtcp.report(Sent(1, 2.0, 3, 4, 5), b"", "who@where")
    secret = one.protect_rtcp(report)
    assert b"who@where" not in secret
    assert other.unprotect_rtcp(secret) == report
    assert other.unprotect_rtcp(secret) is None


def test_a_key_that_stays_keeps_its_state_over_the_turn_of_the_sequence() -> None:
    ours, theirs = new_crypto(1), new_crypto(1)
    one, other = SrtpSession(ours, theirs), SrtpSession(theirs, ours)
    sender = RtpSender()
    sender.sequence = 0xFFF0
    for frame in range(40):
        if frame == 30:  # past the turn: a fresh state could not know of it
            one.rekey(ours, theirs)
            other.rekey(theirs, ours)
        packet = bytes(sender.audio(0, FRAME))
        assert other.unprotect(one.protect(packet)) == packet


def test_a_new_key_takes_over() -> None:
    ours, theirs, new = new_crypto(1), new_crypto(1), new_crypto(1)
    one, other = SrtpSession(ours, theirs), SrtpSession(theirs, ours)
    sender = RtpSender()
    one.rekey(new, theirs)
    assert other.unprotect(one.protect(bytes(sender.audio(0, FRAME)))) is None
    other.rekey(theirs, new)
    packet = bytes(sender.audio(0, FRAME))
    assert other.unprotect(one.protect(packet)) == packet
