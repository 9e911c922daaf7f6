"""What a program asks for when it opens ``WS /calls/{sid}/audio``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from bridge.audio.g711 import SAMPLE_RATE_HZ
from bridge.audio.resample import RATES_HZ
from bridge.calls.call import Encoding, Track
from bridge.errors import InvalidField
from bridge.web.json_fault import field_and_fault

Rate = Literal[8000, 16_000, 24_000, 48_000]

_A_RATE: Final = f"Send one of {', '.join(map(str, RATES_HZ))}."
_FIXES: Final = {
    "track": "Send inbound, outbound or both.",
    "rate_hz": _A_RATE,
    "encoding": "Send pcm16, mulaw or float32.",
    "chunk_ms": "Send a whole number from 20 to 1000.",
    "from_start": "Send true or false.",
    "play_rate_hz": _A_RATE,
}


class AudioQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The query of the URL.

    Attributes:
        track: What to hear; ``both`` comes as two interleaved channels.
        rate_hz: Of what is heard.
        encoding: Of what is heard.
        chunk_ms: How much one binary message holds.
        from_start: Begin with the pre-roll.
        play_rate_hz: Of what is sent back; ``None`` stands for ``rate_hz``.

    """

    track: Track = "inbound"
    rate_hz: Rate = 8000
    encoding: Encoding = "pcm16"
    chunk_ms: Annotated[int, msgspec.Meta(ge=20, le=1000)] = 20
    from_start: bool = False
    play_rate_hz: Rate | None = None

    @property
    def channels(self) -> int:
        """Of what is heard."""
        return 2 if self.track == "both" else 1

    @property
    def spoken_rate_hz(self) -> int:
        """Of what is sent back."""
        return self.play_rate_hz or self.rate_hz

    @property
    def spoken_encoding(self) -> Literal["pcm16", "mulaw"]:
        """Of what is sent back: floating point is for those who listen."""
        return "mulaw" if self.encoding == "mulaw" else "pcm16"


def read_query(query: Mapping[str, str]) -> AudioQuery:
    """
    Read the query.

    Raises:
        InvalidField: A parameter is unknown or impossible.

    """
    try:
        found = msgspec.convert(dict(query), AudioQuery, strict=False)
    except msgspec.ValidationError as error:
        field, fault = field_and_fault(error, whole="query")
        raise InvalidField(field, fault, _FIXES.get(field, f"There are {', '.join(_FIXES)}.")) from error
    for name in ("rate_hz", "play_rate_hz"):
        if found.encoding == "mulaw" and getattr(found, name) not in {None, SAMPLE_RATE_HZ}:
            raise InvalidField(name, "μ-law has 8000 Hz only.", "Send 8000, or ask for pcm16 or float32.")
    return found
