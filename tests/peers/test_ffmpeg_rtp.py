"""ffmpeg as the far end of a call's audio: both ways, both laws, plain and encrypted, in real time."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from bridge.audio.g711 import decode_ulaw, encode_ulaw
from bridge.audio.tone import tone
from bridge.carrier.sip.media import CallMedia
from bridge.carrier.sip.port_pool import PortPool
from bridge.clock import SystemClock
from bridge.sip import sdp
from bridge.sip.sdp import AudioMedia, Codec, Crypto
from bridge.ticker import Ticker
from tests.peers.program import program

pytestmark = pytest.mark.peers

HOST = "127.0.0.1"
PORTS = PortPool(24_500, 24_599)
CODECS: list[Codec] = ["PCMU", "PCMA"]
ENCODERS = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
TONE = encode_ulaw(tone([600], 4000))


def described(port: int, codec: Codec, key: Crypto | None) -> AudioMedia:
    """Their end, read from the description that ffmpeg is given as well."""
    return sdp.answer(
        sdp.read(description(port, codec, key)),
        host=HOST,
        port=1,
        session_id=1,
        version=1,
        security="optional",
        new_key=lambda suite: sdp.new_crypto(1, suite),
    )[1]


def description(port: int, codec: Codec, key: Crypto | None) -> bytes:
    number = 8 if codec == "PCMA" else 0
    lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
    lines += [f"m=audio {port} RTP/{'S' if key else ''}AVP {number}", f"a=rtpmap:{number} {codec}/8000"]
    return ("\r\n".join([*lines, *([key.line] if key else [])]) + "\r\n").encode()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port & ~1


@asynccontextmanager
async def talking(media: CallMedia) -> AsyncIterator[list[bytes]]:
    """Say the tone over and over, and keep what is heard."""
    heard: list[bytes] = []
    ticker = Ticker(SystemClock())

    def tick() -> None:
        media.digits()
        heard.append(media.speak())
        at = 160 * (len(heard) % 199)
        media.hear(TONE[at : at + 160])

    ticker.add(tick)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(ticker.run())
        try:
            yield heard
        finally:
            running.cancel()
            media.close()


def loudest_hz(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * 8000 / len(samples)


async def ffmpeg(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(program("ffmpeg"), "-v", "error", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaint = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, complaint.decode()
    return output


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("packet_bytes", [172, 652])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_we_hear_what_ffmpeg_says(codec: Codec, packet_bytes: int, encrypted: object) -> None:
    keys = (sdp.new_crypto(1), sdp.new_crypto(1)) if encrypted else (None, None)
    media = await CallMedia.open(HOST, PORTS, SystemClock())
    media.start(described(free_port(), codec, keys[1]), keys[0])
    scheme, secrecy = "rtp", []
    if keys[1] is not None:
        parameters = base64.b64encode(keys[1].key).decode()
        scheme, secrecy = "srtp", ["-srtp_out_suite", keys[1].suite, "-srtp_out_params", parameters]
    async with talking(media) as heard:
        await ffmpeg(
            *("-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000:duration=2"),
            *("-c:a", ENCODERS[codec], "-f", "rtp", *secrecy),
            f"{scheme}://{HOST}:{media.local_port}?pkt_size={packet_bytes}",
        )
    spoken = [frame for frame in heard if frame != b"\xff" * 160]
    assert len(spoken) >= 90
    assert loudest_hz(decode_ulaw(b"".join(spoken[5:85]))) == pytest.approx(440, abs=1)
    assert (media.stats.lost, media.stats.refused, media.stats.malformed) == (0, 0, 0)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_ffmpeg_hears_what_we_say(codec: Codec, encrypted: object, tmp_path: Path) -> None:
    keys = (sdp.new_crypto(1), sdp.new_crypto(1)) if encrypted else (None, None)
    port = free_port()
    (tmp_path / "call.sdp").write_bytes(description(port, codec, keys[0]))
    media = await CallMedia.open(HOST, PORTS, SystemClock())
    media.start(described(port, codec, keys[1]), keys[0])
    async with talking(media):
        pcm = await ffmpeg(
            *("-protocol_whitelist", "file,crypto,data,rtp,srtp,udp", "-i", str(tmp_path / "call.sdp")),
            *("-t", "1.5", "-f", "s16le", "-ar", "8000", "-ac", "1", "-"),
        )
    assert len(pcm) == 24_000
    assert loudest_hz(pcm) == pytest.approx(600, abs=1)
