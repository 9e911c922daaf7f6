"""
One bidirectional media stream, from ``<Connect><Stream>`` to its end: Twilio's client, run on a line.

Sources: https://www.twilio.com/docs/voice/twiml/stream and
https://www.twilio.com/docs/voice/media-streams/websocket-messages.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from bridge.carrier.phone.line import Line
from bridge.carrier.stream.connect import CONNECT_TIMEOUT_S, connect
from bridge.carrier.stream.tap import StreamTap, Warn
from bridge.carrier.stream.url import StreamFault, handshake_url
from bridge.clock import Clock
from bridge.mediastream.messages import StartBody


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """
    What a ``<Stream>`` asks for.

    Attributes:
        url: As the TwiML says it, but absolute.
        name: Its name in status callbacks; None: the stream SID.
        parameters: What ``<Parameter>`` says; travels in ``start.customParameters``.
        account_sid: ``AC`` and 32 hexadecimal digits.
        call_sid: ``CA`` …
        stream_sid: ``MZ`` …
        signature: ``X-Twilio-Signature`` for ``handshake_url(url)``; None sends none.

    """

    url: str
    name: str | None
    parameters: Mapping[str, str]
    account_sid: str
    call_sid: str
    stream_sid: str
    signature: str | None


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """
    How a stream ended.

    Attributes:
        reason: ``server_closed``: by a close frame, the TwiML goes on. ``call_ended``: by us, after
            ``stop``. ``failed``: it never opened, or it broke.
        error_code: Twilio's code; 31921 for every close by the server, None where the call ended.
        error: What happened, in one sentence.
        opened: Whether the server accepted the upgrade, so that ``start`` was sent.
        sent_frames: Media messages sent.
        heard_frames: Frames of the server's audio that the phone heard.
        dropped_frames: Frames of the phone's dropped because the server read too slowly (31930).
        refused_bytes: μ-law of the server's refused because ten minutes were queued (31931).
        received_messages: Messages of the server's, right or wrong.
        marks: Marks returned, played or cleared.
        clears: How often the server cleared its queue.
        close_code: The code of the server's close frame; 1005 for an empty one, None without one.

    """

    reason: Literal["server_closed", "call_ended", "failed"]
    error_code: int | None = None
    error: str | None = None
    opened: bool = False
    sent_frames: int = 0
    heard_frames: int = 0
    dropped_frames: int = 0
    refused_bytes: int = 0
    received_messages: int = 0
    marks: int = 0
    clears: int = 0
    close_code: int | None = None


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """
    How to connect.

    Attributes:
        ssl_context: For ``wss``; None verifies certificates against the machine's authorities.
        connect_timeout_s: For name look-up, TCP, TLS and upgrade together.

    """

    ssl_context: ssl.SSLContext | None = None
    connect_timeout_s: float = CONNECT_TIMEOUT_S


async def run_stream(
    request: StreamRequest,
    line: Line,
    *,
    clock: Clock,
    jitter: Random,
    warn: Warn,
    call_ended: asyncio.Event | None = None,
    started: Callable[[], None] | None = None,
    options: StreamOptions | None = None,
) -> StreamOutcome:
    """
    Connect, stream between the line and the server, and end.

    Args:
        request: What to connect to, and what ``start`` says.
        line: Started; free. It is free again when this returns.
        clock: Bounds the wait for the end of the socket, one second.
        jitter: For the media timestamps.
        warn: Told of each warning of Twilio's, once per code: 31930, 31931, 31950, 31951.
        call_ended: Set it when the call is over: ``stop`` is sent, then the socket is closed.
        started: Called once when the stream is open.
        options: How to connect.

    Returns:
        How it ended. Faults of the network and the server are outcomes, never exceptions.

    Raises:
        CancelledError: it was cancelled; ``stop`` was sent and the socket closed as for ``call_ended``.

    """
    url = handshake_url(request.url)
    if isinstance(url, StreamFault):
        return StreamOutcome("failed", url.code, url.message)
    tap = StreamTap(_start_body(request), jitter=jitter, warn=warn)
    over = call_ended or asyncio.Event()
    options = options or StreamOptions()
    fault: StreamFault | None = None
    try:
        async with asyncio.TaskGroup() as group:
            connecting = group.create_task(
                connect(
                    tap.socket,
                    url,
                    signature=request.signature,
                    ssl_context=options.ssl_context,
                    timeout_s=options.connect_timeout_s,
                )
            )
            closing = group.create_task(_end_with_call(over, connecting, tap, clock))
            await asyncio.wait([connecting])
            if not connecting.cancelled():
                fault = connecting.result() or await _converse(tap, line, clock, started)
            if not over.is_set():
                closing.cancel()
    finally:
        await tap.end(clock)  # cancelled, or a callback failed; else there is nothing left to end
    return _outcome(tap, None if over.is_set() else fault)


def _start_body(request: StreamRequest) -> StartBody:
    return StartBody(
        accountSid=request.account_sid,
        callSid=request.call_sid,
        streamSid=request.stream_sid,
        tracks=("inbound",),
        customParameters=dict(request.parameters),
    )


async def _end_with_call(
    over: asyncio.Event, connecting: asyncio.Task[StreamFault | None], tap: StreamTap, clock: Clock
) -> None:
    await over.wait()
    connecting.cancel()  # without effect once it has connected
    await tap.end(clock)


async def _converse(
    tap: StreamTap, line: Line, clock: Clock, started: Callable[[], None] | None
) -> StreamFault:
    line.connect(tap)
    try:
        if started is not None:
            started()
        await tap.ended(clock)
    finally:
        line.disconnect()
    return tap.socket.fault()


def _outcome(tap: StreamTap, fault: StreamFault | None) -> StreamOutcome:
    reason: Literal["server_closed", "call_ended", "failed"] = "failed"
    if fault is None:
        reason = "call_ended"
    elif fault.code == 31921:
        reason = "server_closed"
    return StreamOutcome(
        reason,
        error_code=fault.code if fault is not None else None,
        error=fault.message if fault is not None else None,
        opened=tap.socket.was_opened,
        sent_frames=tap.sent_frames,
        heard_frames=tap.heard_frames,
        dropped_frames=tap.dropped_frames,
        refused_bytes=tap.refused_bytes,
        received_messages=tap.received_messages,
        marks=tap.marks,
        clears=tap.clears,
        close_code=tap.socket.close_code,
    )
