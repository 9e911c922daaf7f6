"""
Live consumers: one on the audio socket of each call that ``load.py`` makes, reading as it comes.

    python -m benchmarks.consume PORT CALLS

Prints ``consuming`` once all are connected, and runs until it is killed or the calls have ended.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.load import sids


class Consumer(WSListener):
    """Reads and forgets."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def main(port: int, calls: int) -> None:
    """Listen to every call, in chunks of 100 ms."""
    transports = []
    for index in range(calls):
        sid = sids(index + 1)["callSid"]
        url = f"ws://127.0.0.1:{port}/calls/{sid}/audio?encoding=mulaw&chunk_ms=100"
        transport, _ = await ws_connect(Consumer, url)
        transports.append(transport)
    print("consuming", flush=True)
    await asyncio.gather(*(transport.wait_disconnected() for transport in transports))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
