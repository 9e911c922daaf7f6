"""
The floor in Python: picows alone, with the parser our server has, and nothing between.

``echo`` decodes every frame's audio, encodes it again and sends it back; ``discard`` parses and forgets.

    python benchmarks/floor.py PORT echo|discard
"""

from __future__ import annotations

import sys
from binascii import b2a_base64

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from bridge.audio.g711 import decode_ulaw, encode_ulaw
from bridge.mediastream import messages as wire


class Discard(WSListener):
    """Parses every message."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            wire.decode_from_twilio(frame.get_payload_as_memoryview())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


class Echo(WSListener):
    """Sends every frame's audio back."""

    def __init__(self) -> None:
        self._prefix = b""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            message = wire.decode_from_twilio(frame.get_payload_as_memoryview())
            if type(message) is wire.Media:
                payload = encode_ulaw(decode_ulaw(message.media.payload))
                audio = b2a_base64(payload, newline=False)
                transport.send(WSMsgType.TEXT, b'%b%b"}}' % (self._prefix, audio))
            elif type(message) is wire.Start:
                self._prefix = wire.encode_play_prefix(message.start.streamSid)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


async def main(port: int, listener: type[WSListener]) -> None:
    """Serve until killed."""
    server = await ws_create_server(lambda _request: listener(), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), {"echo": Echo, "discard": Discard}[sys.argv[2]]))
