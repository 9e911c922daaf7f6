"""
The load: many calls in real time from one process, and how long each frame's echo took.

Run by ``measure.py`` on a core of its own. Calls are staggered evenly over the 20 ms, as those of unrelated
callers are. In every eighth call each frame carries its number in its audio, so that an echo is matched with
what was sent, whatever is between them; of the other calls echoes are only counted, because at a thousand
calls looking into every one would make the load the slower side. A frame's time runs from the moment it is
written, not from when it was due; how late that was is reported beside it.

    python -m benchmarks.load URL CALLS WARM_UP_S MEASURE_S

Prints ``measuring`` and ``measured`` as it goes, and the report as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Final

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

FRAME_S: Final = 0.020
SAMPLED_EVERY: Final = 8
_DIGIT_CODES: Final = bytes(range(0x80, 0xF0))
"""μ-law codes that decode and encode to themselves; the digits of a frame's number."""
_BASE: Final = len(_DIGIT_CODES)
_ENVELOPE_BYTES: Final = 90
_TAIL: Final = b64encode(bytes(0x90 + i % 64 for i in range(154))).decode()


@dataclass
class Tally:
    """What the load saw."""

    measuring: bool = False
    sent: int = 0
    echoed: int = 0
    round_trips_ms: list[float] = field(default_factory=list)
    first_audio_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    closed: int = 0


def encode_number(number: int) -> str:
    """Write a frame's number as the first six bytes of its payload, in base64."""
    digits = bytearray()
    for _ in range(6):
        number, digit = divmod(number, _BASE)
        digits.append(_DIGIT_CODES[digit])
    return b64encode(digits).decode()


def decode_number(text: bytes) -> int:
    """Read the number back from the first eight characters of an echoed payload."""
    number = 0
    for code in reversed(b64decode(text)):
        number = number * _BASE + code - 0x80
    return number


def sids(index: int) -> dict[str, str]:
    """The SIDs of one of our calls."""
    return {f"{name}Sid": f"{prefix}{index:032x}" for name, prefix in _PREFIXES.items()}


_PREFIXES: Final = {"account": "AC", "call": "CA", "stream": "MZ"}


class Caller(WSListener):
    """One call: sends a frame when told to, counts what comes back."""

    def __init__(self, index: int, tally: Tally) -> None:
        self._sids = sids(index)
        self._tally = tally
        self._count = 0
        self._first_sent_at = 0.0
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        stream_sid = self._sids["streamSid"]
        start = {
            **self._sids,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        for message in (
            {"event": "connected", "protocol": "Call", "version": "1.0.0"},
            {"event": "start", "sequenceNumber": "1", "start": start, "streamSid": stream_sid},
        ):
            transport.send(WSMsgType.TEXT, json.dumps(message).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        if frame.payload_size < 200:
            return  # a mark
        tally = self._tally
        if tally.measuring:
            # Some servers send more than a frame at once; 216 characters of base64 are a frame.
            tally.echoed += max(1, round((frame.payload_size - _ENVELOPE_BYTES) / 216))
        elif self._first_sent_at:
            tally.first_audio_ms.append((time.perf_counter() - self._first_sent_at) * 1000)
            self._first_sent_at = 0.0
        self.heard(frame)

    def heard(self, frame: WSFrame) -> None:
        """An echo came."""

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        self.transport = None
        self._tally.closed += 1

    def speak(self) -> None:
        """Send the next frame."""
        if self.transport is None:
            return
        self._count += 1
        if self._tally.measuring:
            self._tally.sent += 1
        elif self._count == 1:
            self._first_sent_at = time.perf_counter()
        message = (
            f'{{"event":"media","sequenceNumber":"{self._count + 1}","media":{{"track":"inbound",'
            f'"chunk":"{self._count}","timestamp":"{self._count * 20}","payload":"'
            f'{self.number()}{_TAIL}"}},"streamSid":"{self._sids["streamSid"]}"}}'
        )
        self.transport.send(WSMsgType.TEXT, message)

    def number(self) -> str:
        """The first eight characters of the payload."""
        return "kJCQkJCQ"


class SampledCaller(Caller):
    """A call whose frames are timed one by one."""

    def __init__(self, index: int, tally: Tally) -> None:
        super().__init__(index, tally)
        self._sent_at: dict[int, float] = {}

    def number(self) -> str:
        self._sent_at[self._count] = time.perf_counter()
        return encode_number(self._count)

    def heard(self, frame: WSFrame) -> None:
        now = time.perf_counter()
        message = frame.get_payload_as_bytes()
        at = message.find(b'"', message.find(b'payload"') + 8) + 1
        sent_at = self._sent_at.pop(decode_number(message[at : at + 8]), None)
        if sent_at is not None and self._tally.measuring:
            self._tally.round_trips_ms.append((now - sent_at) * 1000)


async def run(url: str, calls: int, warm_up_s: float, measure_s: float) -> dict[str, object]:
    """Make this many calls, let them settle, and measure."""
    tally = Tally()
    callers = [
        (SampledCaller if index % SAMPLED_EVERY == 0 else Caller)(index + 1, tally) for index in range(calls)
    ]
    for caller in callers:
        await ws_connect(lambda caller=caller: caller, url)
    print("connected", flush=True)
    start = time.perf_counter()
    frame = 0
    while True:
        due = start + frame * FRAME_S / calls
        now = time.perf_counter()
        if now < due:
            await asyncio.sleep(due - now)
            now = time.perf_counter()
        if not tally.measuring and due - start >= warm_up_s:
            tally.measuring = True
            print("measuring", flush=True)
        if due - start >= warm_up_s + measure_s:
            break
        callers[frame % calls].speak()
        if tally.measuring:
            tally.late_ms.append((now - due) * 1000)
        frame += 1
        if frame % 16 == 0:
            await asyncio.sleep(0)  # a late sender must still read
    print("measured", flush=True)
    await asyncio.sleep(2 * FRAME_S)  # what is on its way
    tally.measuring = False
    closed = tally.closed
    for caller in callers:
        if caller.transport is not None:
            caller.transport.disconnect()
    return {
        "sent": tally.sent,
        "echoed": tally.echoed,
        "closed": closed,
        "round_trip_p50_ms": percentile(tally.round_trips_ms, 50),
        "round_trip_p99_ms": percentile(tally.round_trips_ms, 99),
        "round_trip_max_ms": percentile(tally.round_trips_ms, 100),
        "first_audio_p50_ms": percentile(tally.first_audio_ms, 50),
        "late_p99_ms": percentile(tally.late_ms, 99),
    }


def percentile(values: list[float], percent: int) -> float:
    """Return the value that so many percent do not exceed; infinity if there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("inf")


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))))
