"""
The server most people would write: FastAPI, ``json``, ``base64`` and ``audioop``, one coroutine per socket.

It does less than ours: no signature, no timeline, no playout ledger, no end in good order.
"""

from __future__ import annotations

import audioop
import base64
import json

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the server is there."""
    return {"status": "ok"}


@app.websocket("/media-stream")
async def media_stream(socket: WebSocket) -> None:
    """Play every frame back, decoded and encoded again, as a program that works on the audio would."""
    await socket.accept()
    stream_sid = ""
    try:
        while True:
            message = json.loads(await socket.receive_text())
            if message["event"] == "start":
                stream_sid = message["start"]["streamSid"]
            elif message["event"] == "media":
                pcm = audioop.ulaw2lin(base64.b64decode(message["media"]["payload"]), 2)
                payload = base64.b64encode(audioop.lin2ulaw(pcm, 2)).decode()
                answer = {"event": "media", "streamSid": stream_sid, "media": {"payload": payload}}
                await socket.send_text(json.dumps(answer))
            elif message["event"] == "stop":
                return
    except WebSocketDisconnect:
        return
