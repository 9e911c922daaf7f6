from __future__ import annotations

from base64 import b64decode
from math import inf

import pytest

from benchmarks.load import decode_number, encode_number, percentile
from bridge.audio.g711 import decode_ulaw, encode_ulaw


@pytest.mark.parametrize("number", [0, 1, 111, 112, 50 * 3600 * 24])
def test_a_frame_s_number_survives_decoding_and_encoding(number: int) -> None:
    text = encode_number(number)
    assert len(text) == 8
    payload = b64decode(text)
    assert encode_ulaw(decode_ulaw(payload)) == payload
    assert decode_number(text.encode()) == number


def test_percentiles() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 50) == 51
    assert percentile(values, 99) == 100
    assert percentile([], 99) == inf
