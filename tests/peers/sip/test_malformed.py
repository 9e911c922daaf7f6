"""Whatever comes to its ports, the carrier goes on serving."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.peers.sip.sipp import Sipp, Traffic
from tests.peers.sip.site import Plan, Site

pytestmark = [pytest.mark.peers, pytest.mark.soak, pytest.mark.timeout(300)]

LASTS_S = 60.0 if os.environ.get("PEERS_SOAK") == "1" else 2.0
A_ROUND = 20
SERVED_A_SECOND = 2.5
"""So many calls a second, of about 20,000 messages, are for somebody who is there: audio ports must last."""
MOST_GROWTH_MB = 60
MEDIA = range(30_000, 30_200)

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 26500 RTP/AVP 0 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
)


def invite(chance: random.Random, port: int) -> bytes:
    number = chance.getrandbits(48)
    # Most call somebody who is not there, so that the audio ports last.
    user = "served" if chance.random() < SERVED_A_SECOND / 20_000 else "nobody"
    return (
        f"INVITE sip:{user}@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:fuzz@127.0.0.1>;tag={number}\r\nTo: <sip:{user}@127.0.0.1>\r\n"
        f"Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContact: <sip:fuzz@127.0.0.1:{port}>\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
    ).encode()


def spoilt(chance: random.Random, message: bytes) -> bytes:
    """Change some bytes, leave some out, put some in, and say some twice."""
    text = bytearray(message)
    for _ in range(chance.choice([0, 1, 1, 2, 5, 20])):
        where = chance.randrange(len(text))
        match chance.randrange(4):
            case 0:
                text[where] = chance.randrange(256)
            case 1:
                del text[where : where + chance.randrange(1, 60)]
            case 2:
                text[where:where] = bytes(
                    chance.choice(b'A;<>"\r\n=:\0%') for _ in range(chance.randrange(1, 40))
                )
            case _:
                text[where:where] = text[where : where + chance.randrange(1, 200)]
        if len(text) < 5:
            break
    return bytes(text)


@pytest.mark.parametrize("seed", [1, 2])
async def test_spoilt_messages_and_audio_do_no_harm(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (the same for everybody)
    async with Site.running(tmp_path, Plan(patterns=["served"])) as site:
        before_mb, until_s, sent = site.carrier_mb(), time.monotonic() + LASTS_S, 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind(("127.0.0.1", 0))
            sender.setblocking(False)
            while time.monotonic() < until_s:
                sent += A_ROUND
                for _ in range(A_ROUND):
                    message = spoilt(chance, invite(chance, sender.getsockname()[1]))
                    sender.sendto(message, ("127.0.0.1", site.ports.sip))
                    sender.sendto(
                        chance.randbytes(chance.randrange(1, 300)), ("127.0.0.1", chance.choice(MEDIA))
                    )
                await answered(sender)
        await over_a_connection(site, chance)
        sys.stdout.write(f"{sent} messages, {site.carrier_mb():.0f} MB after {before_mb:.0f}\n")
        async with Sipp.running(tmp_path, Traffic("uac", site.address, "served", talk_ms=200)) as sipp:
            await sipp.succeeds()
        site.assert_unharmed()
        assert site.carrier_mb() - before_mb < MOST_GROWTH_MB


async def answered(sender: socket.socket) -> None:
    """Let the carrier keep up: wait for an answer to something, and throw away all that came."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(0.2):
            await loop.sock_recv(sender, 65_536)
    except TimeoutError:
        return  # nothing of this round could be answered
    try:
        while sender.recv(65_536):
            pass
    except BlockingIOError:
        return


async def over_a_connection(site: Site, chance: random.Random) -> None:
    """Do the same over TCP; the carrier may close the connection, and takes the next one."""
    for _ in range(round(20 * LASTS_S)):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.ports.sip)
        try:
            writer.write(spoilt(chance, invite(chance, 5060).replace(b"/UDP", b"/TCP")))
            await writer.drain()
            writer.write_eof()
            async with asyncio.timeout(5):
                await reader.read(65_536)
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()
