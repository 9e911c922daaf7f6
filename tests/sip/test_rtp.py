from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sip import rtcp
from bridge.sip.rtcp import Reception, Sent
from bridge.sip.rtp import RtpPacket, RtpSender, read_packet

FRAME = b"\x7f" * 160


def test_a_packet_is_written_as_the_standard_draws_it() -> None:
    packet = RtpPacket(8, True, 0x1234, 0x89ABCDEF, 0x01020304, b"abc")
    assert packet.build() == bytes.fromhex("80 88 1234 89abcdef 01020304") + b"abc"
    assert RtpPacket.parse(packet.build()) == packet


def test_sources_extension_and_padding_are_taken_off() -> None:
    head = bytes([0x80 | 0x20 | 0x10 | 2, 0]) + struct.pack("!HII", 1, 2, 3) + b"\0" * 8
    data = head + struct.pack("!HH", 0xBEDE, 1) + b"ext!" + b"audio" + b"\0\0\x03"
    assert read_packet(data) == (0, 1, 2, 3, b"audio")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        bytes([0x40]) + b"\0" * 11,
        bytes([0x8F]) + b"\0" * 11,
        bytes([0x90]) + b"\0" * 11,
        bytes([0x90]) + b"\0" * 11 + b"\0\0\xff\xff",
        bytes([0xA0]) + b"\0" * 12,
        bytes([0xA0]) + b"\0" * 11 + b"\x09",
    ],
)
def test_what_breaks_off_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_packet(data)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_packet_or_a_value_error(data: bytes) -> None:
    try:
        packet = RtpPacket.parse(data)
    except ValueError:
        return
    assert len(packet.payload) <= len(data) - 12


def test_frames_are_numbered_and_only_the_first_after_a_pause_is_marked() -> None:
    sender = RtpSender()
    begin, at = sender.sequence, sender.rtp_timestamp
    assert begin < 0x8000
    sent = [RtpPacket.parse(bytes(sender.audio(0, FRAME))) for _ in range(2)]
    sender.skip()
    sent.append(RtpPacket.parse(bytes(sender.audio(8, FRAME))))
    assert [(p.payload_type, p.marker, p.sequence - begin) for p in sent] == [
        (0, True, 0),
        (0, False, 1),
        (8, True, 2),
    ]
    assert [(p.rtp_timestamp - at) % 2**32 for p in sent] == [0, 160, 480]
    assert {p.ssrc for p in sent} == {sender.ssrc}
    assert all(p.payload == FRAME for p in sent)


def test_sequence_and_time_turn_over() -> None:
    sender = RtpSender()
    sender.sequence, sender.rtp_timestamp = 0xFFFF, 0xFFFFFFFF
    sender.audio(0, FRAME)
    assert (sender.sequence, sender.rtp_timestamp) == (0, 159)


def test_an_event_keeps_its_own_time_while_a_frame_goes_by() -> None:
    sender = RtpSender()
    at = sender.rtp_timestamp
    packet = RtpPacket.parse(sender.event(101, b"\x05\x0a\0\xa0", marker=True, rtp_timestamp=7))
    assert (packet.payload_type, packet.marker, packet.rtp_timestamp) == (101, True, 7)
    assert (sender.rtp_timestamp - at) % 2**32 == 160
    assert (sender.packets, sender.payload_bytes) == (1, 4)


def test_reception_counts_loss_across_the_turn_of_the_sequence() -> None:
    reception = Reception()
    for sequence in (0xFFFE, 0xFFFF, 1, 2, 0, 5):
        reception.note(9, sequence)
    assert (reception.packets, reception.lost) == (6, 2)
    block = reception.block()
    ssrc, fraction_and_lost, highest = struct.unpack_from("!III", block)
    assert (ssrc, fraction_and_lost, highest) == (9, (2 * 256 // 8) << 24 | 2, 0x10005)
    reception.note(9, 6)
    assert struct.unpack_from("!II", reception.block())[1] == 2, "nothing lost since the last report"
    reception.note(10, 1)
    assert (reception.lost, reception.packets, reception.earlier) == (0, 1, 7)
    assert Reception().block() == b""


def test_repeated_packets_count_as_less_than_no_loss() -> None:
    reception = Reception()
    for _ in range(3):
        reception.note(9, 1)
    assert reception.lost == -2
    assert struct.unpack_from("!II", reception.block())[1] == 0xFFFFFE


def test_a_report_is_a_compound_that_begins_with_a_report_and_ends_in_whole_words() -> None:
    sent = Sent(ssrc=5, utc_s=1.5, rtp_timestamp=6, packets=7, payload_bytes=8)
    reception = Reception()
    reception.note(9, 1)
    data = rtcp.report(sent, reception.block(), "x@y")
    assert rtcp.packet_types(data) == (200, 202)
    assert struct.unpack_from("!BBHIIIIII", data) == (0x81, 200, 12, 5, 2_208_988_801, 2**31, 6, 7, 8)
    assert b"\x01\x03x@y\0" in data
    assert len(data) % 4 == 0
    silent = Sent(ssrc=5, utc_s=0, rtp_timestamp=0, packets=0, payload_bytes=0)
    assert rtcp.packet_types(rtcp.report(silent, b"", "x")) == (201, 202)
    assert rtcp.packet_types(rtcp.goodbye(sent, b"", "abcd")) == (200, 202, 203)


def test_rtcp_is_told_from_rtp_by_its_second_byte() -> None:
    assert rtcp.is_rtcp(rtcp.report(Sent(1, 0, 0, 0, 0), b"", "x"))
    assert not rtcp.is_rtcp(RtpPacket(101, True, 1, 2, 3, b"").build())
    assert not rtcp.is_rtcp(b"\x80\xc8")


@given(st.binary(max_size=64))
def test_any_bytes_can_be_looked_at_as_rtcp(data: bytes) -> None:
    assert 4 * len(rtcp.packet_types(data)) <= len(data)
