from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import SdpError
from bridge.sip import sdp
from bridge.sip.crypto import SUITES, read_crypto
from bridge.sip.sdp import AudioMedia, Crypto, Direction

KEY_A = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
KEY_B = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"

BARESIP = (
    "v=0\r\no=- 1911 2073 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "a=tool:baresip 1.0.0\r\nm=audio 10042 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
    "a=rtcp:10043\r\na=sendrecv\r\na=label:1\r\n"
    "a=rtcp-rsize\r\na=ssrc:3 cname:x\r\na=ptime:20\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{KEY_A}\r\n"
    f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_B}\r\n"
)
LINPHONE = (
    "v=0\r\no=alice 3124 1862 IN IP4 192.0.2.20\r\ns=Talk\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"
    "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics\r\n"
    "m=audio 7078 RTP/AVPF 96 97 98 0 8 18 101 99 100\r\na=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 useinbandfec=1\r\na=rtpmap:97 speex/16000\r\na=rtpmap:98 speex/8000\r\n"
    "a=fmtp:18 annexb=yes\r\na=rtpmap:101 telephone-event/48000\r\na=rtpmap:99 telephone-event/16000\r\n"
    "a=rtpmap:100 telephone-event/8000\r\na=rtcp-fb:* trr-int 5000\r\n"
    "m=video 9078 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* ccm fir\r\n"
)
ASTERISK = (
    "v=0\no=- 559373413 559373413 IN IP4 192.0.2.30\ns=Asterisk\nc=IN IP4 192.0.2.30\nt=0 0\n"
    "m=audio 15312 RTP/AVP 8 101\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n"
    "a=ptime:20\na=maxptime:150\na=sendrecv\n"
)
CISCO = (
    "v=0\r\no=CiscoSystemsCCM-SIP 2000 1 IN IP4 192.0.2.40\r\ns=SIP Call\r\n"
    "c=IN IP4 192.0.2.41\r\nb=TIAS:64000\r\n"
    "b=AS:64\r\nt=0 0\r\nm=audio 24580 RTP/AVP 0 8 116 18\r\nc=IN IP4 192.0.2.42\r\na=ptime:30\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:116 iLBC/8000\r\na=fmtp:116 mode=20\r\n"
)
TWILIO_SECURE = (
    "v=0\r\no=root 1185414872 1185414872 IN IP4 168.86.130.5\r\ns=Twilio Media Gateway\r\n"
    "c=IN IP4 168.86.130.5\r\n"
    "t=0 0\r\nm=audio 14278 RTP/SAVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:20\r\n"
    f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A}\r\na=sendrecv\r\n"
)
EITHER = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\n"
    "m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/SAVP 8\r\n"
    f"a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A}|2^31|1:4\r\n"
    f"a=crypto:8 AEAD_AES_256_GCM inline:{KEY_A}\r\n"
    f"a=crypto:9 AES_CM_128_HMAC_SHA1_32 inline:{KEY_B}|2^20\r\n"
)
IPV6 = (
    "v=0\r\no=- 1 1 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 5000 RTP/AVP 0\r\nc=IN IP6 2001:DB8:0::1\r\n"
)
DTLS = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.60\r\ns=-\r\nc=IN IP4 192.0.2.60\r\nt=0 0\r\n"
    "m=audio 5000 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n"
)
DYNAMIC = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.70\r\ns=-\r\nc=IN IP4 192.0.2.70\r\nt=0 0\r\na=sendonly\r\n"
    "m=audio 5000 RTP/AVP 97 98\r\na=rtpmap:97 pcma/8000/1\r\n"
    "a=rtpmap:98 telephone-event/8000\r\na=rtcp-mux\r\n"
)


def reply(
    offered: str,
    security: sdp.Security = "optional",
    *,
    host: str = "192.0.2.1",
    direction: Direction = "sendrecv",
) -> tuple[str, AudioMedia, list[Crypto]]:
    made: list[Crypto] = []

    def new_key(suite: str) -> Crypto:
        made.append(sdp.new_crypto(1, suite))
        return made[-1]

    body, media = sdp.answer(
        sdp.read(offered.encode()),
        host=host,
        port=30_000,
        session_id=7,
        version=2,
        security=security,
        new_key=new_key,
        direction=direction,
    )
    return body.decode(), media, made


def media_lines(body: str) -> list[str]:
    return [line for line in body.split("\r\n") if line.startswith("m=")]


def test_a_plain_offer_is_answered_with_its_first_codec_and_its_own_number_for_digits() -> None:
    body, media, made = reply(ASTERISK)
    assert media == AudioMedia(
        "192.0.2.30", 15_312, 8, "PCMA", 101, "sendrecv", "RTP/AVP", 20, (), rtcp_mux=False, rtcp_port=15_313
    )
    assert made == []
    assert body == (
        "v=0\r\no=- 7 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=audio 30000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_video_is_refused_in_its_place_and_digits_of_wideband_codecs_are_not_taken() -> None:
    body, media, _ = reply(LINPHONE)
    assert media_lines(body) == ["m=audio 30000 RTP/AVPF 0 100", "m=video 0 RTP/AVPF 96"]
    assert (media.payload_type, media.codec, media.event_payload_type) == (0, "PCMU", 100)


def test_the_mediums_own_address_wins_and_what_is_missing_is_no_fault() -> None:
    body, media, _ = reply(CISCO)
    assert (media.host, media.ptime_ms, media.event_payload_type) == ("192.0.2.42", 30, None)
    assert "telephone-event" not in body


def test_a_dynamic_number_for_a_law_shared_rtcp_and_a_session_wide_direction_are_understood() -> None:
    body, media, _ = reply(DYNAMIC)
    assert (media.payload_type, media.codec, media.event_payload_type) == (97, "PCMA", 98)
    assert (media.rtcp_mux, media.rtcp_port, media.direction) == (True, 5000, "recvonly")
    assert "a=rtcp-mux\r\n" in body
    assert "a=recvonly\r\n" in body


def test_static_numbers_need_no_rtpmap_and_ipv6_is_written_short() -> None:
    body, media, _ = reply(IPV6, host="2001:db8::2")
    assert (media.host, media.codec) == ("2001:db8::1", "PCMU")
    assert "c=IN IP6 2001:db8::2\r\n" in body
    with pytest.raises(SdpError, match="other version of IP"):
        reply(IPV6, host="192.0.2.1")


@pytest.mark.parametrize(
    ("offered", "security", "profile", "tag"),
    [
        (BARESIP, "optional", "RTP/AVP", 1),
        (BARESIP, "required", "RTP/AVP", 1),
        (BARESIP, "off", "RTP/AVP", None),
        (TWILIO_SECURE, "optional", "RTP/SAVP", 1),
        (TWILIO_SECURE, "required", "RTP/SAVP", 1),
        (EITHER, "optional", "RTP/SAVP", 9),
        (EITHER, "off", "RTP/AVP", None),
        (ASTERISK, "optional", "RTP/AVP", None),
    ],
)
def test_encryption_is_agreed_on_where_both_want_it(
    offered: str, security: sdp.Security, profile: str, tag: int | None
) -> None:
    body, media, made = reply(offered, security)
    assert media.profile == profile
    assert [key.tag for key in media.crypto] == ([tag] if tag else [])
    assert [line for line in body.split("\r\n") if line.startswith("a=crypto")] == [
        Crypto(theirs.tag, theirs.suite, ours.key).line
        for theirs, ours in zip(media.crypto, made, strict=True)
    ]


def test_of_two_audio_lines_the_one_not_taken_is_refused() -> None:
    assert media_lines(reply(EITHER)[0]) == ["m=audio 0 RTP/AVP 0", "m=audio 30000 RTP/SAVP 8"]


@pytest.mark.parametrize(
    ("offered", "security", "fault"),
    [
        (TWILIO_SECURE, "off", "SRTP"),
        (ASTERISK, "required", "required"),
        (DTLS, "optional", "transport"),
        (ASTERISK.replace(" 8 101", " 18 101"), "off", "neither PCMU nor PCMA"),
        (ASTERISK.replace("15312", "0"), "off", "no audio"),
        (ASTERISK.replace("c=IN IP4 192.0.2.30\n", ""), "off", "no c= line"),
        (ASTERISK.replace("c=IN IP4 192.0.2.30", "c=IN IP4 pbx.example"), "off", "no c= line"),
        (ASTERISK.replace("c=IN IP4 192.0.2.30", "c=IN IP4 224.2.1.1/127"), "off", "multicast"),
    ],
)
def test_what_does_not_fit_is_refused_with_488(offered: str, security: sdp.Security, fault: str) -> None:
    with pytest.raises(SdpError, match=fault) as caught:
        reply(offered, security)
    assert caught.value.status == 488


@pytest.mark.parametrize(
    ("said", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_a_hold_is_answered_with_its_mirror(said: str, ours: Direction) -> None:
    body, media, _ = reply(ASTERISK.replace("sendrecv", said))
    assert media.direction == ours
    assert f"a={ours}\r\n" in body
    assert media.is_sending == (ours in {"sendrecv", "sendonly"})


def test_the_old_way_to_hold_stops_what_we_send() -> None:
    body, media, _ = reply(ASTERISK.replace("c=IN IP4 192.0.2.30", "c=IN IP4 0.0.0.0"))
    assert media.direction == "recvonly"
    assert not media.is_sending
    assert "a=recvonly\r\n" in body


def test_our_own_hold_leaves_what_both_allow() -> None:
    assert reply(ASTERISK, direction="sendonly")[1].direction == "sendonly"
    assert reply(ASTERISK.replace("sendrecv", "sendonly"), direction="sendonly")[1].direction == "inactive"


def offer(*, secure: bool = False, keys: tuple[Crypto, ...] = (), direction: Direction = "sendrecv") -> bytes:
    return sdp.offer(
        host="192.0.2.1", port=30_000, session_id=7, version=1, secure=secure, keys=keys, direction=direction
    )


def test_our_offer_can_be_answered_by_ourselves() -> None:
    keys = (sdp.new_crypto(1), sdp.new_crypto(2, SUITES[1]))
    offered = offer(secure=True, keys=keys)
    answered, media, made = reply(offered.decode(), "required", host="192.0.2.9")
    assert (media.port, media.codec, media.event_payload_type, media.crypto) == (
        30_000,
        "PCMU",
        101,
        keys[:1],
    )
    back = sdp.read_answer(offered, answered.encode())
    assert (back.host, back.port, back.profile) == ("192.0.2.9", 30_000, "RTP/SAVP")
    assert [key.key for key in back.crypto] == [key.key for key in made]
    assert sdp.chosen_key(keys, back) == keys[0]
    assert sdp.chosen_key(keys, reply(ASTERISK)[1]) is None


def test_an_answer_may_hold_and_choose_the_other_law() -> None:
    back = sdp.read_answer(offer(), ASTERISK.replace("sendrecv", "recvonly").encode())
    assert (back.codec, back.direction) == ("PCMA", "sendonly")
    assert sdp.read_answer(offer(direction="inactive"), ASTERISK.encode()).direction == "inactive"


@pytest.mark.parametrize(
    ("secure", "answered", "fault"),
    [
        (False, ASTERISK.replace("15312", "0"), "refuses the audio"),
        (False, "v=0\r\n", "refuses the audio"),
        (False, TWILIO_SECURE, "another transport"),
        (True, ASTERISK, "none of the keys"),
        (True, TWILIO_SECURE.replace("crypto:1", "crypto:4"), "none of the keys"),
        (True, TWILIO_SECURE.replace("SHA1_80", "SHA1_32"), "none of the keys"),
    ],
)
def test_an_answer_that_takes_what_was_not_offered_is_refused(
    secure: object, answered: str, fault: str
) -> None:
    offered = offer(secure=bool(secure), keys=(sdp.new_crypto(1),))
    with pytest.raises(SdpError, match=fault):
        sdp.read_answer(offered, answered.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"m=audio 1 RTP/AVP 0",
        b"v=0\r\nm=audio x RTP/AVP 0",
        b"v=0\r\nm=audio 70000 RTP/AVP 0",
        b"v=0\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * 33,
        b"v=0\r\nm=audio 1 RTP/AVP" + b" 0" * 65,
        b"v=0\r\n" + b"a" * 65_536,
    ],
)
def test_what_is_no_session_description_is_refused_with_400(body: bytes) -> None:
    with pytest.raises(SdpError) as caught:
        sdp.read(body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "value",
    [
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A}|2^20|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A}|1:4",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A};inline:{KEY_B}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A} UNENCRYPTED_SRTP",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_A} KDR=1",
        "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=",
        "1 AES_CM_128_HMAC_SHA1_80 inline:!!!!",
        f"1 AES_CM_128_HMAC_SHA1_80 uri:{KEY_A}",
        f"1 F8_128_HMAC_SHA1_80 inline:{KEY_A}",
        "nonsense",
    ],
)
def test_keys_we_cannot_use_are_passed_over(value: str) -> None:
    assert read_crypto(value) is None


def test_lifetimes_and_window_hints_do_no_harm_and_the_key_is_never_shown() -> None:
    key = read_crypto(f"12 aes_cm_128_hmac_sha1_32 inline:{KEY_A}|2^31 WSH=64")
    assert key is not None
    assert (key.tag, key.suite, len(key.key)) == (12, "AES_CM_128_HMAC_SHA1_32", 30)
    assert key.line.endswith(f"inline:{KEY_A}")
    assert "key" not in repr(key)


def test_a_suite_nobody_knows_is_not_made() -> None:
    with pytest.raises(ValueError, match="none of"):
        sdp.new_crypto(1, "NULL")


OFFERS = (BARESIP, LINPHONE, ASTERISK, CISCO, TWILIO_SECURE, EITHER, IPV6, DTLS, DYNAMIC)


@given(st.sampled_from(OFFERS), st.data())
def test_a_mutilated_offer_is_answered_or_refused_and_nothing_else(offered: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(offered)))
    junk = data.draw(
        st.text(max_size=8) | st.sampled_from(["m=audio 1 RTP/AVP 0\n", "c=IN\n", "a=crypto:\n", "\0"])
    )
    try:
        body, media, _ = reply(offered[:cut] + junk + offered[cut + data.draw(st.integers(0, 9)) :])
    except SdpError:
        return
    else:
        assert media.codec in {"PCMU", "PCMA"}
        assert "\nm=audio 30000 " in body


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        description = sdp.read(b"v=0\n" + body)
    except SdpError:
        return
    assert len(description.audio) <= len(description.media) <= 32
