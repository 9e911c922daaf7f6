"""G.711 against the Recommendation's own rules, written down here a second time."""

import numpy as np
import pytest

from bridge.audio import g711

ALL_CODES = bytes(range(256))
ALL_VALUES = np.arange(-32768, 32768, dtype="<i2")


def ulaw_value(code: int) -> int:
    """ITU-T G.711 table 2 in closed form, scaled to 16 bits."""
    code = ~code & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def alaw_value(code: int) -> int:
    """ITU-T G.711 table 1 in closed form, scaled to 16 bits."""
    code ^= 0x55
    segment, step = (code >> 4) & 7, code & 0x0F
    magnitude = (step << 4) + 8 if segment == 0 else ((step << 4) + 0x108) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def ulaw_code(value: int) -> int:
    """Segment and step of the 14-bit magnitude rule (clip at 32635, bias 132)."""
    biased = min(abs(value), 32635) + 0x84
    segment = biased.bit_length() - 8
    return ~((0x80 if value < 0 else 0) | (segment << 4) | ((biased >> (segment + 3)) & 15)) & 0xFF


def alaw_code(value: int) -> int:
    """Segment and step of the 13-bit rule; even bits inverted."""
    magnitude = (value if value >= 0 else ~value) >> 4
    if magnitude < 32:
        code = magnitude
    else:
        segment = magnitude.bit_length() - 4
        code = (segment << 4) | ((magnitude >> (segment - 1)) & 15)
    return (code | (0x80 if value >= 0 else 0)) ^ 0x55


def test_ulaw_decodes_all_codes_as_the_recommendation_says() -> None:
    decoded = np.frombuffer(g711.decode_ulaw(ALL_CODES), "<i2").tolist()
    assert decoded == [ulaw_value(code) for code in ALL_CODES]


def test_alaw_decodes_all_codes_as_the_recommendation_says() -> None:
    decoded = np.frombuffer(g711.decode_alaw(ALL_CODES), "<i2").tolist()
    assert decoded == [alaw_value(code) for code in ALL_CODES]


def test_alaw_encodes_all_values_as_the_recommendation_says() -> None:
    encoded = list(g711.encode_alaw(ALL_VALUES.tobytes()))
    assert encoded == [alaw_code(int(value)) for value in ALL_VALUES]


def test_ulaw_encodes_all_values_but_381_negative_ones_which_are_off_by_one_code() -> None:
    encoded = np.frombuffer(g711.encode_ulaw(ALL_VALUES.tobytes()), np.uint8).astype(int)
    expected = np.array([ulaw_code(int(value)) for value in ALL_VALUES])
    different = np.flatnonzero(encoded != expected)
    assert len(different) == 381
    assert (ALL_VALUES[different] < 0).all()
    assert set(np.abs(encoded[different] - expected[different])) == {1}


def test_ulaw_survives_a_round_trip_of_every_code_but_the_second_zero() -> None:
    again = g711.encode_ulaw(g711.decode_ulaw(ALL_CODES))
    # 0x7F is -0: PCM has one zero only, so it comes back as +0.
    assert [code for code in ALL_CODES if again[code] != code] == [0x7F]


@pytest.mark.parametrize("encode", [g711.encode_ulaw, g711.encode_alaw])
def test_half_a_sample_is_refused(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(ValueError, match="even number"):
        encode(b"\x00\x01\x02")


def test_stereo_takes_left_and_right_in_turn() -> None:
    assert g711.interleave_ulaw(b"\x01\x02", b"\x0a\x0b") == b"\x01\x0a\x02\x0b"
    with pytest.raises(ValueError, match="2 and 1"):
        g711.interleave_ulaw(b"\x01\x02", b"\x0a")


def test_silence_decodes_to_zero() -> None:
    assert g711.decode_ulaw(g711.ulaw_silence(3)) == bytes(6)
