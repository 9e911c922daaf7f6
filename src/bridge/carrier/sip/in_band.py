"""Audio made by table and by formula: one law of G.711 from the other, and digits as tones in the audio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.audio.g711 import FRAME_BYTES, decode_alaw, decode_ulaw, encode_alaw, encode_ulaw, ulaw_silence
from bridge.audio.tone import dtmf
from bridge.sip.telephone_event import GAP_FRAMES, PAUSES, TONE_FRAMES

_CODES: Final = bytes(range(256))

ALAW_TO_ULAW: Final = encode_ulaw(decode_alaw(_CODES))
"""Table for ``bytes.translate``."""

ULAW_TO_ALAW: Final = encode_alaw(decode_ulaw(_CODES))
"""Table for ``bytes.translate``."""

_SILENCE: Final = ulaw_silence(FRAME_BYTES)


def tone_frames(digits: str) -> Iterator[bytes]:
    """Give digits as frames of μ-law, for peers that take no telephone events; ``w`` and ``W`` are pauses."""
    for digit in digits:
        if digit in PAUSES:
            yield from [_SILENCE] * PAUSES[digit]
            continue
        payload = encode_ulaw(dtmf(digit.upper(), duration_ms=20 * TONE_FRAMES))
        yield from (payload[at : at + FRAME_BYTES] for at in range(0, len(payload), FRAME_BYTES))
        yield from [_SILENCE] * GAP_FRAMES
