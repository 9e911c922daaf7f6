"""
The load: many calls in real time from one process, and how long each frame's echo took.

Run by ``bench_media.py`` on a core of its own. Calls are staggered evenly over the 20 ms, as those of
unrelated callers are. Each frame carries its number in its audio, so an echo is matched with what was sent,
whatever is between them. A frame's time runs from the moment it is written, not from when it was due; how
late that was is reported beside it, because then it is this program that is too slow.
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
_DIGIT_CODES: Final = bytes(range(0x80, 0xF0))
"""μ-law codes that decode and encode to themselves; the digits of a frame's number."""
_BASE: Final = len(_DIGIT_CODES)
_TAIL: Final = b64encode(bytes(0x90 + i % 64 for i in range(154))).decode()


@dataclass
class Tally:
    """What the load saw while it was measured."""

    measuring: bool = False
    sent: int = 0
    echoed: int = 0
    round_trips_ms: list[float] = field(default_factory=list)
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


class Caller(WSListener):
    """One call: sends a frame when told to, notes when its echo is back."""

    def __init__(self, index: int, tally: Tally) -> None:
        self._sid = f"{index:032x}"
        self._tally = tally
        self._count = 0
        self._sent_at: dict[int, float] = {}
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        start = {
            "accountSid": f"AC{self._sid}",
            "callSid": f"CA{self._sid}",
            "streamSid": f"MZ{self._sid}",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {},
        }
        for message in (
            {"event": "connected", "protocol": "Call", "version": "1.0.0"},
            {"event": "start", "sequenceNumber": "1", "start": start, "streamSid": f"MZ{self._sid}"},
        ):
            transport.send(WSMsgType.TEXT, json.dumps(message).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        now = time.perf_counter()
        message = frame.get_payload_as_bytes()
        at = message.find(b'"', message.find(b'payload"') + 8) + 1
        if at < 9:
            return
        sent_at = self._sent_at.pop(decode_number(message[at : at + 8]), None)
        if sent_at is not None and self._tally.measuring:
            self._tally.echoed += 1
            self._tally.round_trips_ms.append((now - sent_at) * 1000)

    def on_ws_disconnected(self, _transport: WSTransport) -> None:
        self.transport = None
        self._tally.closed += 1

    def speak(self) -> None:
        """Send the next frame."""
        if self.transport is None:
            return
        self._count += 1
        message = (
            f'{{"event":"media","sequenceNumber":"{self._count + 1}","media":{{"track":"inbound",'
            f'"chunk":"{self._count}","timestamp":"{self._count * 20}","payload":"'
            f'{encode_number(self._count)}{_TAIL}"}},"streamSid":"MZ{self._sid}"}}'
        ).encode()
        if self._tally.measuring:
            self._tally.sent += 1
        self._sent_at[self._count] = time.perf_counter()
        self.transport.send(WSMsgType.TEXT, message)


async def run(url: str, calls: int, warm_up_s: float, measure_s: float) -> dict[str, object]:
    """Make this many calls, let them settle, and measure."""
    tally = Tally()
    callers = [Caller(index + 1, tally) for index in range(calls)]
    for caller in callers:
        await ws_connect(lambda caller=caller: caller, url)
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
    tally.measuring = False
    print("measured", flush=True)
    for caller in callers:
        if caller.transport is not None:
            caller.transport.disconnect()
    return {
        "sent": tally.sent,
        "echoed": tally.echoed,
        "closed": tally.closed,
        "round_trip_p50_ms": percentile(tally.round_trips_ms, 50),
        "round_trip_p99_ms": percentile(tally.round_trips_ms, 99),
        "late_p99_ms": percentile(tally.late_ms, 99),
    }


def percentile(values: list[float], percent: int) -> float:
    """Return the value that so many percent do not exceed; infinity if there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("inf")


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))))
