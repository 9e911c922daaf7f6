"""
An echo made of pipecat's own parts; run by the Python that has pipecat, never imported.

It serves ``/media`` (and ``/media-stream``, for the benchmark) on the port given or a free one, says
``ready`` once it does, and prints every digit it is told.
"""

# ruff: noqa: T201  (what it prints is how the test follows it)

from __future__ import annotations

import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import Frame, InputAudioRawFrame, InputDTMFFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

application = FastAPI()


class Echo(FrameProcessor):
    """Says what it hears."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            said = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
            await self.push_frame(said, direction)
            return
        if isinstance(frame, InputDTMFFrame):
            print(f"digit {frame.button.value}", flush=True)
        await self.push_frame(frame, direction)


@application.websocket("/media")
@application.websocket("/media-stream")
async def media(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    kind, call = await parse_telephony_websocket(websocket)
    print(f"kind {kind} call {call['call_id']} said {call['body']}", flush=True)
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), Echo(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
    )

    @transport.event_handler("on_client_disconnected")
    async def gone(*_: object) -> None:
        print("gone", flush=True)
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


class Server(uvicorn.Server):
    """Says when it can be called."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print("ready", self.servers[0].sockets[0].getsockname()[1], flush=True)


Server(
    uvicorn.Config(
        application, host="127.0.0.1", port=int(sys.argv[1]) if sys.argv[1:] else 0, log_level="warning"
    )
).run()
