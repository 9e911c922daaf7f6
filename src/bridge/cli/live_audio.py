"""A running call as the commands hear it: the server's audio socket, read in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection

from bridge.cli.client import ANSWER_WITHIN_S, ServerClient
from bridge.cli.socket import open_socket
from bridge.errors import CarrierUnreachable


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Some audio.

    Attributes:
        pcm: Signed 16-bit little-endian, interleaved.
        dropped_ms: What is missing directly before it, because this program read too slowly.

    """

    pcm: bytes
    dropped_ms: int


class LiveAudio:
    """
    One open socket, its hello read.

    Attributes:
        rate_hz: Of the audio.
        channels: 1, or 2 with the phone on the left.

    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        hello: Mapping[str, Any] = json.loads(socket.recv(ANSWER_WITHIN_S))
        self.rate_hz = int(hello["rate_hz"])
        self.channels = int(hello["channels"])

    def __iter__(self) -> Iterator[Piece]:
        """
        Give all audio until the stream ends.

        Raises:
            CarrierUnreachable: The connection broke, or the server stopped.

        """
        dropped_ms = 0
        try:
            for message in self._socket:
                if isinstance(message, bytes):
                    yield Piece(message, dropped_ms)
                    dropped_ms = 0
                else:
                    told = json.loads(message)
                    if told["event"] == "notice":
                        dropped_ms = int(told["dropped_ms"])
        except ConnectionClosedError as error:
            reason = f": {error.rcvd.reason}" if error.rcvd and error.rcvd.reason else ""
            raise CarrierUnreachable(f"the server has closed the connection{reason}") from None


@contextmanager
def live_audio(client: ServerClient, call_sid: str, query: Mapping[str, object]) -> Iterator[LiveAudio]:
    """
    Open the socket of a call.

    Raises:
        CarrierUnreachable: No server answers there.
        CarrierRefused: It refuses; the message is its own, with the hint.

    """
    path = f"/calls/{quote(call_sid, safe='')}/audio?{urlencode(query)}"
    # Reading pauses while a slow output is written to, and pongs with it.
    with open_socket(client, path, ping_interval=None) as socket:
        yield LiveAudio(socket)
