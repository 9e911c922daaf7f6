from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest

from bridge.audio.g711 import decode_alaw, decode_ulaw, encode_ulaw
from bridge.audio.tone import DTMF_HZ, tone
from bridge.carrier.sip.media import CallMedia
from bridge.carrier.sip.port_pool import PortPool
from bridge.errors import SipUnreachable
from bridge.sip import rtcp
from bridge.sip.rtp import RtpPacket
from bridge.sip.sdp import AudioMedia, Codec, new_crypto
from bridge.testing import ManualClock

HOST = "127.0.0.1"
SILENCE = b"\xff" * 160
TONE = encode_ulaw(tone([440], 4000))


def said(frame: int) -> bytes:
    return TONE[160 * frame : 160 * frame + 160]


class Stage:
    """Two ends on loopback, where what was sent has arrived, and bare sockets beside them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ports = PortPool(24_000, 24_199)
        self.opened: list[CallMedia] = []
        self.sockets: list[socket.socket] = []

    async def media(self, host: str = HOST) -> CallMedia:
        media = await CallMedia.open(host, self.ports, self.clock)
        self.opened.append(media)
        return media

    def socket(self, host: str = HOST) -> socket.socket:
        bare = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        bare.bind((host, 0))
        bare.setblocking(False)
        self.sockets.append(bare)
        return bare

    async def pair(self, codec: Codec = "PCMU", *, secure: bool = False) -> tuple[CallMedia, CallMedia]:
        one, other = await self.media(), await self.media()
        keys = (new_crypto(1), new_crypto(1)) if secure else (None, None)
        one.start(remote(other.local_port, codec, key=keys[1]), keys[0])
        other.start(remote(one.local_port, codec, key=keys[0]), keys[1])
        return one, other


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    for media in stage.opened:
        media.close()
    for bare in stage.sockets:
        bare.close()


def remote(port: int, codec: Codec = "PCMU", *, host: str = HOST, key: object = None) -> AudioMedia:
    return AudioMedia(
        host=host,
        port=port,
        payload_type=8 if codec == "PCMA" else 0,
        codec=codec,
        event_payload_type=101,
        direction="sendrecv",
        profile="RTP/SAVP" if key else "RTP/AVP",
        ptime_ms=20,
        crypto=(key,) if key else (),  # type: ignore[arg-type]
        rtcp_mux=False,
        rtcp_port=port + 1,
    )


def rtp(payload: bytes = b"\x11" * 160, *, number: int = 0, sequence: int = 1, kind: int = 0) -> bytes:
    return RtpPacket(kind, False, sequence, 160 * number, 7, payload).build()


def frame_of(media: CallMedia) -> bytes:
    media.digits()
    return media.speak()


def loudest_hz(ulaw: bytes) -> float:
    pcm = np.frombuffer(decode_ulaw(ulaw), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * 8000 / len(pcm)


def received(bare: socket.socket) -> list[RtpPacket]:
    found = []
    while True:
        try:
            found.append(RtpPacket.parse(bare.recv(2048)))
        except BlockingIOError:
            return found


@pytest.mark.parametrize("secure", [False, True])
async def test_mu_law_goes_through_untouched_both_ways(stage: Stage, secure: object) -> None:
    one, other = await stage.pair(secure=bool(secure))
    heard: tuple[list[bytes], list[bytes]] = ([], [])
    for frame in range(100):
        heard[0].append(frame_of(one))
        heard[1].append(frame_of(other))
        one.hear(said(frame))
        other.hear(said(frame + 50))
    assert heard[1][2:] == [said(frame) for frame in range(98)]
    assert heard[0][2:] == [said(frame + 50) for frame in range(98)]
    assert (one.stats.sent, one.stats.heard, one.stats.refused, one.stats.lost) == (100, 99, 0, 0)


async def test_a_law_is_what_the_wire_carries_and_mu_law_what_we_hear(stage: Stage) -> None:
    bare, media = stage.socket(), await stage.media()
    media.start(remote(bare.getsockname()[1], "PCMA"))
    media.hear(said(1))
    (packet,) = received(bare)
    assert packet.payload_type == 8
    pcm, wire = (
        np.frombuffer(x, "<i2").astype(int) for x in (decode_ulaw(said(1)), decode_alaw(packet.payload))
    )
    assert np.abs(pcm - wire).max() <= 1024
    assert np.sqrt(np.mean((pcm - wire) ** 2)) < 0.02 * np.sqrt(np.mean(pcm**2))
    one, other = await stage.pair("PCMA")
    heard = b""
    for frame in range(200):
        one.hear(said(frame))
        heard += frame_of(other)
    assert abs(loudest_hz(heard[320:]) - 440) < 1


async def test_one_of_two_encrypted_ends_does_not_understand_a_stranger(stage: Stage) -> None:
    _, other = await stage.pair(secure=True)
    stranger = await stage.media()
    stranger.start(remote(other.local_port))
    stranger.hear(said(1))
    stranger.start(remote(other.local_port, key=new_crypto(1)), new_crypto(1))
    stranger.hear(said(2))
    assert [frame_of(other), frame_of(other)] == [SILENCE] * 2
    assert (other.stats.refused, other.stats.heard) == (2, 0)


async def test_encryption_without_a_key_of_ours_is_a_mistake_and_a_key_given_once_is_kept(
    stage: Stage,
) -> None:
    media = await stage.media()
    with pytest.raises(ValueError, match="no key of ours"):
        media.start(remote(4000, key=new_crypto(1)))
    media.start(remote(4000, key=new_crypto(1)), new_crypto(1))
    media.update(remote(4002, key=new_crypto(1)))
    assert "SRTP AES_CM_128_HMAC_SHA1_80" in media.describe()


async def test_audio_goes_where_it_comes_from_but_not_to_another_host(stage: Stage) -> None:
    described, actual, media = stage.socket(), stage.socket(), await stage.media()
    media.start(remote(described.getsockname()[1]))
    media.hear(said(0))
    assert len(received(described)) == 1
    actual.sendto(rtp(), (HOST, media.local_port))
    frame_of(media)
    media.hear(said(1))
    assert (len(received(described)), len(received(actual))) == (0, 1)
    stranger = stage.socket("127.0.0.2")
    stranger.sendto(rtp(number=1), (HOST, media.local_port))
    described.sendto(rtp(number=1), (HOST, media.local_port))
    frame_of(media)
    media.hear(said(2))
    assert len(received(actual)) == 1, "once learned it stays"
    assert media.stats.strangers == 2


async def test_a_peer_that_fell_silent_may_go_on_from_another_port(stage: Stage) -> None:
    before, after, media = stage.socket(), stage.socket(), await stage.media()
    media.start(remote(before.getsockname()[1]))
    before.sendto(rtp(), (HOST, media.local_port))
    frame_of(media)
    await stage.clock.advance(2.5)
    after.sendto(rtp(number=125), (HOST, media.local_port))
    frame_of(media)
    media.hear(said(0))
    assert len(received(after)) == 1


async def test_a_phone_behind_a_router_is_known_by_where_its_signalling_comes_from(stage: Stage) -> None:
    phone, media = stage.socket(), await stage.media()
    media.start(remote(4000, host="192.168.7.7"))
    phone.sendto(rtp(), (HOST, media.local_port))
    frame_of(media)
    assert media.stats.strangers == 1
    media.update(remote(4000, host="192.168.7.7"), nat_host=HOST)
    phone.sendto(rtp(number=1), (HOST, media.local_port))
    frame_of(media)
    media.hear(said(0))
    assert len(received(phone)) == 1


async def test_a_peer_that_moves_by_description_is_learned_anew(stage: Stage) -> None:
    before, after, media = stage.socket(), stage.socket(), await stage.media()
    media.start(remote(before.getsockname()[1]))
    before.sendto(rtp(), (HOST, media.local_port))
    frame_of(media)
    media.update(remote(after.getsockname()[1]))
    media.hear(said(0))
    assert len(received(after)) == 1


async def test_while_held_time_goes_on_and_nothing_is_sent(stage: Stage) -> None:
    bare, media = stage.socket(), await stage.media()
    there = remote(bare.getsockname()[1])
    media.start(there)
    media.hear(said(0))
    media.update(replace(there, direction="inactive"))
    bare.sendto(rtp(), (HOST, media.local_port))
    for frame in range(10):
        media.hear(said(frame))
        assert frame_of(media) == SILENCE
    await stage.clock.advance(60)
    assert media.is_silent_since_s(stage.clock.now_s()) == 0.0
    media.update(there)
    media.hear(said(11))
    first, second = received(bare)
    assert (second.rtp_timestamp - first.rtp_timestamp) % 2**32 == 11 * 160
    assert (second.sequence - first.sequence, first.marker, second.marker) == (1, True, True)
    assert media.stats.ignored == 1


async def test_a_peer_that_is_gone_is_noticed_and_rtcp_is_a_sign_of_life(stage: Stage) -> None:
    bare, media = stage.socket(), await stage.media()
    assert media.is_silent_since_s(stage.clock.now_s()) == 0.0
    media.start(replace(remote(bare.getsockname()[1]), rtcp_mux=True))
    await stage.clock.advance(7)
    assert media.is_silent_since_s(stage.clock.now_s()) == pytest.approx(7)
    bare.sendto(rtp(), (HOST, media.local_port))
    media.digits()
    await stage.clock.advance(3)
    assert media.is_silent_since_s(stage.clock.now_s()) == pytest.approx(3)
    bare.sendto(rtcp.report(rtcp.Sent(1, 2.0, 3, 4, 5), b"", "x"), (HOST, media.local_port))
    media.digits()
    assert media.is_silent_since_s(stage.clock.now_s()) == 0.0


async def test_digits_go_out_and_come_in_as_events_and_audio_goes_on_after_them(stage: Stage) -> None:
    one, other = await stage.pair()
    one.press("12*#")
    told, heard = "", []
    for frame in range(60):
        one.hear(said(frame))
        told += other.digits()
        heard.append(other.speak())
    assert told == "12*#"
    assert heard[-10:] == [said(frame) for frame in range(49, 59)]
    with pytest.raises(ValueError, match="no telephone digit"):
        one.press("hello")


async def test_a_peer_without_events_hears_tones(stage: Stage) -> None:
    bare, media = stage.socket(), await stage.media()
    media.start(replace(remote(bare.getsockname()[1]), event_payload_type=None))
    media.press("5")
    for _ in range(12):
        media.hear(SILENCE)
    packets = received(bare)
    assert {packet.payload_type for packet in packets} == {0}
    assert [packet.payload == SILENCE for packet in packets] == [False] * 5 + [True] * 7
    pcm = np.frombuffer(decode_ulaw(b"".join(packet.payload for packet in packets[:5])), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(pcm))
    strongest = sorted(int(bin_) * 10 for bin_ in np.argsort(spectrum)[-2:])
    assert all(abs(found - hz) <= 10 for found, hz in zip(strongest, DTMF_HZ["5"], strict=True))
    assert "digits in band" in media.describe()


async def test_digits_of_sip_info_join_the_others(stage: Stage) -> None:
    media = await stage.media()
    for digit in ("1", "a", "?", "", "#"):
        media.add_info_digit(digit)
    assert media.digits() == "1A#"
    assert media.digits() == ""
    for _ in range(1000):
        media.add_info_digit("9")
    assert len(media.digits()) == 256


async def test_who_begins_to_listen_hears_what_is_said_now(stage: Stage) -> None:
    one, other = await stage.pair()
    for frame in range(100):
        one.hear(said(frame))
        other.digits()
    one.hear(said(100))
    assert frame_of(other) in {said(98), said(99), said(100)}


async def test_speaking_without_asking_for_digits_works_too(stage: Stage) -> None:
    one, other = await stage.pair()
    heard = []
    for frame in range(10):
        one.hear(said(frame))
        heard.append(other.speak())
    assert heard[1:] == [said(frame) for frame in range(9)]


async def test_reports_go_out_every_five_seconds_and_a_goodbye_at_the_end(stage: Stage) -> None:
    bare, reports, media = stage.socket(), stage.socket(), await stage.media()
    media.start(replace(remote(bare.getsockname()[1]), rtcp_port=reports.getsockname()[1]))
    bare.sendto(rtp(), (HOST, media.local_port))
    frame_of(media)
    for _ in range(1000):
        media.hear(SILENCE)
        received(bare)
    reports_seen = [rtcp.packet_types(reports.recv(2048)) for _ in range(3)]
    assert reports_seen == [(200, 202)] * 3
    media.close()
    last = b""
    while True:
        try:
            last, source = reports.recvfrom(2048)
        except BlockingIOError:
            break
        assert source == (HOST, media.local_port + 1)
    assert rtcp.packet_types(last) == (200, 202, 203)


async def test_shared_and_encrypted_reports_reach_the_other_end(stage: Stage) -> None:
    one, other = await stage.media(), await stage.media()
    keys = new_crypto(1), new_crypto(1)
    one.start(replace(remote(other.local_port, key=keys[1]), rtcp_mux=True), keys[0])
    other.start(replace(remote(one.local_port, key=keys[0]), rtcp_mux=True), keys[1])
    one.hear(SILENCE)
    other.digits()
    await stage.clock.advance(9)
    one.close()  # its goodbye is the only thing that comes
    other.digits()
    assert other.is_silent_since_s(stage.clock.now_s()) == 0.0
    assert other.stats.refused == 0


async def test_a_closed_call_gives_its_port_back_and_does_nothing_more(stage: Stage) -> None:
    ports = PortPool(24_300, 24_301)
    media = await CallMedia.open(HOST, ports, stage.clock)
    media.start(remote(4000))
    media.close()
    media.close()
    media.hear(SILENCE)
    assert (media.digits(), media.speak()) == ("", SILENCE)
    with pytest.raises(SipUnreachable, match="no port is free"):
        await CallMedia.open(HOST, ports, stage.clock)
    await stage.clock.advance(6)
    (await CallMedia.open(HOST, ports, stage.clock)).close()


async def test_ports_that_others_hold_are_passed_over(stage: Stage) -> None:
    held = [stage.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]
    stage.sockets.append(held[1])
    held[1].bind((HOST, 24_403))
    media = await CallMedia.open(HOST, PortPool(24_402, 24_405), stage.clock)
    stage.opened.append(media)
    assert media.local_port == 24_404
    with pytest.raises(SipUnreachable, match="cannot be used"):
        await CallMedia.open("192.0.2.1", PortPool(24_402, 24_405), stage.clock)


async def test_before_anything_is_agreed_on_nothing_goes_out_or_comes_in(stage: Stage) -> None:
    bare, media = stage.socket(), await stage.media()
    media.hear(SILENCE)
    bare.sendto(rtp(), (HOST, media.local_port))
    assert frame_of(media) == SILENCE
    assert (media.stats.strangers, media.stats.sent) == (1, 0)
    assert "nothing agreed" in media.describe()


async def test_over_ipv6_it_is_the_same(stage: Stage) -> None:
    one, other = await stage.media("::1"), await stage.media("::1")
    one.start(remote(other.local_port, host="::1"))
    other.start(remote(one.local_port, host="::1"))
    heard = []
    for frame in range(5):
        one.hear(said(frame))
        heard.append(frame_of(other))
    assert heard[1:] == [said(frame) for frame in range(4)]
    assert f"[::1]:{other.local_port}" in one.describe()


async def test_a_burst_of_junk_raises_nothing_and_the_call_goes_on(stage: Stage) -> None:
    rng = random.Random(5)  # noqa: S311
    bare, media = stage.socket(), await stage.media()
    media.start(remote(bare.getsockname()[1]))
    good = rtp()
    for round_ in range(300):
        for _ in range(8):
            junk = bytearray(good if rng.random() < 0.7 else rng.randbytes(rng.randrange(300)))
            for _ in range(rng.randrange(6)):
                if junk:
                    junk[rng.randrange(min(16, len(junk)))] = rng.randrange(256)
            bare.sendto(bytes(junk), (HOST, media.local_port))
        assert len(frame_of(media)) == 160
        media.hear(said(round_ % 100))
    assert media.stats.malformed > 100
    last = b""
    for number in range(1000, 1100):
        bare.sendto(rtp(said(number - 1000), number=number), (HOST, media.local_port))
        last = frame_of(media)
    assert last in {said(frame) for frame in range(90, 100)}


async def test_a_flood_costs_a_bounded_number_of_packets_a_frame(stage: Stage) -> None:
    bare, media = stage.socket(), await stage.media()
    media.start(remote(bare.getsockname()[1]))
    for number in range(100):
        bare.sendto(rtp(number=number, sequence=number), (HOST, media.local_port))
    media.digits()
    assert media.stats.heard == 64
